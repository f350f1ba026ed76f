"""The clients as the published package has them, so that code written for it runs unchanged.

There are two generations of such code. In one a call gives the JSON text of the Hub's answer:

    seq_id = json.loads(await host.send_sequence("x.tar.gz"))["id"]

In the other it gives dicts, lists and clients:

    sequence = await host.send_sequence(HostClient.load_sequence("x.tar.gz"))
    instance = await sequence.start()

Here a client that comes back is both: a client, and a str with the JSON of the Hub's answer. What is not a
client is a dict or a list, as the Hub sent it. New code should use :mod:`transform_hub.client`.
"""

from transform_hub.client.published.base import BaseClient, ClientUtils
from transform_hub.client.published.host import HostClient
from transform_hub.client.published.instance import InstanceClient
from transform_hub.client.published.manager import ManagerClient, MiddlewareClient, MultiManagerClient
from transform_hub.client.published.sequence import SequenceClient

__all__ = [
    "BaseClient",
    "ClientUtils",
    "HostClient",
    "InstanceClient",
    "ManagerClient",
    "MiddlewareClient",
    "MultiManagerClient",
    "SequenceClient",
]
