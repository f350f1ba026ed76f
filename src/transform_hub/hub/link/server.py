"""The Hub's end of the link to runners; see :mod:`transform_hub.protocol` for what goes over it.

The event loop calls a protocol object per connection: it reads the hello, then hands the connection to the
Instance it belongs to, which connects it with one of :mod:`transform_hub.hub.link.protocols`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
from collections.abc import Callable
from typing import Protocol, cast

from transform_hub.hub.link.protocols import ChannelProtocol
from transform_hub.hub.temporary import LINK, remove_orphans, temporary_directory
from transform_hub.protocol import CHANNELS, Message, MessageBuffer

log = logging.getLogger(__name__)

HELLO_TIMEOUT = 10.0
"""Seconds a connection has to say who it is."""


class Peer(Protocol):
    """What the link needs to know of an Instance."""

    @property
    def secret(self) -> str:
        """What its runner proves itself with."""

    def attach(self, hello: Message, transport: asyncio.Transport) -> ChannelProtocol | None:
        """Take over the connection of a channel; None if it has that channel already."""


class LinkServer:
    """Listens for runners.

    Args:
        find: gives the Instance of an id, None if there is none.
    """

    def __init__(self, find: Callable[[str], Peer | None]) -> None:
        self.find = find
        self.address = ""
        self._folder = contextlib.ExitStack()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a socket that only this user can reach."""
        await asyncio.to_thread(remove_orphans)
        path = self._folder.enter_context(temporary_directory(LINK)) / "link"
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Greeting(self), str(path), backlog=4096)
        self.address = f"unix:{path}"

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        self._folder.close()


class Greeting(asyncio.Protocol):
    """A connection until its hello is read and verified."""

    def __init__(self, server: LinkServer) -> None:
        self._server = server
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of it
        self._deadline = asyncio.get_running_loop().call_later(HELLO_TIMEOUT, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._data += data
        line, newline, rest = self._data.partition(b"\n")
        if not newline:
            if len(line) > 4096:
                self._transport.abort()
            return
        self._deadline.cancel()
        try:
            hello = MessageBuffer(4096).feed(line + b"\n")[0]
            peer = self._server.find(hello["instance"])
            known = (
                hello["channel"] in CHANNELS
                and peer is not None
                and hmac.compare_digest(peer.secret.encode(), hello["secret"].encode())
            )
        except (ValueError, LookupError, AttributeError, TypeError):
            known = False
        protocol = peer.attach(hello, self._transport) if known and peer is not None else None
        if protocol is None:
            log.warning("A connection to the runner link was refused: unknown Instance, secret or channel")
            self._transport.abort()
            return
        self._transport.pause_reading()  # uvloop asks how to read, into which buffer, when reading begins
        self._transport.set_protocol(cast(asyncio.BaseProtocol, protocol))
        self._transport.resume_reading()
        if rest:
            protocol.data_received(rest)

    def connection_lost(self, error: Exception | None) -> None:
        self._deadline.cancel()
