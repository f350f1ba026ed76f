"""What the streams of an Instance stand on: memory of this process, or what outlives it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.channels.memory import LIMIT, UNREAD_LIMIT, MemoryStore
from transform_hub.hub.channels.store import Store
from transform_hub.hub.link.protocols import ChannelProtocol, Source
from transform_hub.hub.link.runner_input import Sink
from transform_hub.hub.topics.progress import Provided, Required

MakeSource = Callable[[asyncio.Transport, Channel, Callable[[], None], Callable[[bool], None]], ChannelProtocol]
"""Makes a source of a connection, a channel, and what to call at its end and at a stall (see :class:`Source`)."""


class Backing(Protocol):
    """What the streams of an Instance stand on: memory of this process, or what outlives it.

    Attributes:
        unread_limit: bytes of ``stdout``, and of ``stderr``, that are held.
        descriptors: what has to be held for another Hub besides the channels.
        provided, required: where it is written down how far output and input are in topics.
    """

    unread_limit: int
    descriptors: dict[str, int]
    provided: Provided
    required: Required

    def store(self, name: str) -> Store:
        """The bytes of ``output``, ``stdout``, ``stderr`` or ``log``."""

    def source(self, name: str) -> MakeSource:
        """Makes what reads a connection of the runner into a channel."""

    def sink(self, name: str, transport: asyncio.Transport, on_end: Callable[[], object], *, resumed: bool) -> Sink:
        """What writes ``input`` or ``stdin`` into a connection of the runner."""

    def recover(self, name: str, sock: socket.socket) -> None:
        """Count what an earlier Hub has read of a connection without counting it."""

    def held(self, *, again: bool) -> None:
        """The descriptors are held for another Hub; only if they are held ``again`` all of them are needed any more."""

    def end(self) -> None:
        """The Instance has ended: nothing more is written to it."""

    def close(self) -> None:
        """The Instance is gone."""


class MemoryBacking:
    """Streams that end with the Hub."""

    def __init__(self, unread_limit: int = UNREAD_LIMIT) -> None:
        self.unread_limit = unread_limit
        self.descriptors: dict[str, int] = {}
        self.provided = Provided([0] * 5)
        self.required = Required([0] * 3)

    def store(self, name: str) -> Store:
        return MemoryStore(LIMIT) if name == "log" else MemoryStore()

    def source(self, name: str) -> MakeSource:
        return Source

    def sink(self, name: str, transport: asyncio.Transport, on_end: Callable[[], object], *, resumed: bool) -> Sink:
        if name == "input":
            self.required.begin(0, 0, 0)  # this runner has had nothing yet
        return Sink(transport, on_end)

    def recover(self, name: str, sock: socket.socket) -> None:
        """Nothing outlives the Hub."""

    def held(self, *, again: bool) -> None:
        """There are none."""

    def end(self) -> None:
        """Nothing is to be given back."""

    def close(self) -> None:
        """The same."""
