"""Python toolkit for Scramjet Transform Hub.

Names are imported when they are first used, so that ``import transform_hub.runner`` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub.client.follower import Follower as Follower
    from transform_hub.client.host import HostClient as HostClient
    from transform_hub.client.instance import InstanceClient as InstanceClient
    from transform_hub.client.manager import ManagerClient as ManagerClient
    from transform_hub.client.middleware import MiddlewareClient as MiddlewareClient
    from transform_hub.client.multi_manager import MultiManagerClient as MultiManagerClient
    from transform_hub.client.readable import Gap as Gap
    from transform_hub.client.reader import Reader as Reader
    from transform_hub.client.run import CompletedInstance as CompletedInstance
    from transform_hub.client.sequence import SequenceClient as SequenceClient
    from transform_hub.client.tls import TLS as TLS
    from transform_hub.client.topic import TopicClient as TopicClient
    from transform_hub.client.writer import Writer as Writer
    from transform_hub.errors import HubError as HubError
    from transform_hub.hub.server import Hub as Hub
    from transform_hub.hub.server import serve as serve
    from transform_hub.package import pack as pack
    from transform_hub.runner.context import Context as Context
    from transform_hub.runner.stream import DropChunk as DropChunk
    from transform_hub.runner.stream import Input as Input
    from transform_hub.runner.stream import Stream as Stream

_HOME = {
    "CompletedInstance": "transform_hub.client.run",
    "Context": "transform_hub.runner.context",
    "DropChunk": "transform_hub.runner.stream",
    "Follower": "transform_hub.client.follower",
    "Gap": "transform_hub.client.readable",
    "HostClient": "transform_hub.client.host",
    "Hub": "transform_hub.hub.server",
    "HubError": "transform_hub.errors",
    "Input": "transform_hub.runner.stream",
    "InstanceClient": "transform_hub.client.instance",
    "ManagerClient": "transform_hub.client.manager",
    "MiddlewareClient": "transform_hub.client.middleware",
    "MultiManagerClient": "transform_hub.client.multi_manager",
    "Reader": "transform_hub.client.reader",
    "SequenceClient": "transform_hub.client.sequence",
    "Stream": "transform_hub.runner.stream",
    "TLS": "transform_hub.client.tls",
    "TopicClient": "transform_hub.client.topic",
    "Writer": "transform_hub.client.writer",
    "pack": "transform_hub.package",
    "serve": "transform_hub.hub.server",
}

__all__ = sorted(_HOME)  # noqa: PLE0605 - the table above is the one list of public names


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
