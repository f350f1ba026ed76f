"""Clients of a Hub: start with :class:`HostClient`."""

from transform_hub.client.duplex import Duplex
from transform_hub.client.host import HostClient
from transform_hub.client.instance import InstanceClient
from transform_hub.client.sequence import SequenceClient
from transform_hub.client.streams import Reader, Writer

__all__ = ["Duplex", "HostClient", "InstanceClient", "Reader", "SequenceClient", "Writer"]
