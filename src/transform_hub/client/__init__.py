"""Clients of a Hub: start with :class:`HostClient`; of many Hubs: :class:`ManagerClient` and those above it."""

from transform_hub.client.duplex import Duplex
from transform_hub.client.follower import Follower
from transform_hub.client.host import HostClient
from transform_hub.client.instance import InstanceClient
from transform_hub.client.manager import ManagerClient
from transform_hub.client.middleware import MiddlewareClient
from transform_hub.client.multi_manager import MultiManagerClient
from transform_hub.client.pages import Pages
from transform_hub.client.readable import Gap
from transform_hub.client.reader import Reader
from transform_hub.client.run import CompletedInstance
from transform_hub.client.sequence import SequenceClient
from transform_hub.client.tls import TLS
from transform_hub.client.topic import NamedStream, TopicClient
from transform_hub.client.writer import Writer

__all__ = [
    "TLS",
    "CompletedInstance",
    "Duplex",
    "Follower",
    "Gap",
    "HostClient",
    "InstanceClient",
    "ManagerClient",
    "MiddlewareClient",
    "MultiManagerClient",
    "NamedStream",
    "Pages",
    "Reader",
    "SequenceClient",
    "TopicClient",
    "Writer",
]
