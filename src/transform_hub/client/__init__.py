"""Clients of a Hub: start with :class:`HostClient`."""

from transform_hub.client.host import HostClient
from transform_hub.client.instance import InstanceClient
from transform_hub.client.sequence import SequenceClient
from transform_hub.client.streams import Duplex, Reader, Writer

__all__ = ["Duplex", "HostClient", "InstanceClient", "Reader", "SequenceClient", "Writer"]
