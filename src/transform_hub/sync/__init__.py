"""The clients without await: the same names, arguments, results and errors.

>>> from transform_hub.sync import HostClient
>>> with HostClient("http://127.0.0.1:8000/api/v1") as host:
...     instance = host.send_sequence("my-sequence").start(args=["hello"])
...     instance.send_input("some text")
...     for line in instance.get_output().lines():
...         print(line)

They work in scripts, in threads (which may share a client), and where an event loop runs already, as in a
notebook. Everything is done by the async clients, in an event loop in the background. What is handed over
(iterables, open files, token functions, progress callbacks) runs in the thread that makes the call.
"""

from transform_hub.client.readable import Gap
from transform_hub.client.run import CompletedInstance
from transform_hub.client.tls import TLS
from transform_hub.sync.duplex import Duplex
from transform_hub.sync.follower import Follower
from transform_hub.sync.host import HostClient
from transform_hub.sync.instance import InstanceClient
from transform_hub.sync.manager import ManagerClient
from transform_hub.sync.middleware import MiddlewareClient
from transform_hub.sync.multi_manager import MultiManagerClient
from transform_hub.sync.pages import Pages
from transform_hub.sync.reader import Reader
from transform_hub.sync.sequence import SequenceClient
from transform_hub.sync.topic import NamedStream, TopicClient
from transform_hub.sync.writer import Writer

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
