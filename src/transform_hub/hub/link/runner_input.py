"""Input and stdin of an Instance: from the Hub to its runner.

The position of such a stream is how many of its bytes are with the runner's socket, from where they reach the
Sequence whatever becomes of the Hub.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import TracebackType

from transform_hub.hub.channels.channel import ChannelClosedError
from transform_hub.hub.link.line_turns import LineTurns
from transform_hub.hub.link.protocols import shut
from transform_hub.protocol import SOCKET_BUFFER


class WrongPositionError(Exception):
    """A writer is not where the stream is."""


class Sink(asyncio.Protocol):
    """Hub -> runner: writes bytes, waits while the runner does not read.

    Args:
        on_end: called before the runner is told that this was all.
    """

    def __init__(self, transport: asyncio.Transport, on_end: Callable[[], object] = lambda: None) -> None:
        self._transport = transport
        self._on_end = on_end
        self._transport.set_write_buffer_limits(high=0)  # what is answered for is with the kernel
        self._socket = transport.get_extra_info("socket")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        self._drained: asyncio.Future[None] | None = None
        self._writers = 0
        self.turns = LineTurns()
        self.ended = False
        self.lost = False
        self._written = 0

    @property
    def position(self) -> int:
        """Bytes that have been written."""
        return self._written

    def writer(self, position: int | None = None) -> SinkWriter:
        """Somebody who writes.

        Args:
            position: where the stream has to be. Who gives one goes on with what another writer has begun,
                so that nobody who was there before writes any more.

        Raises:
            WrongPositionError: the stream is elsewhere.
        """
        if position is not None:
            if position != self.position:
                raise WrongPositionError
            self._writers += 1
            self._interrupt()
        return SinkWriter(self, self._writers)

    def is_of_now(self, generation: int) -> bool:
        """Whether writers of a generation may still write; for writers."""
        return generation == self._writers and not self.ended and not self.lost

    async def write(self, data: bytes, generation: int) -> None:
        """Write ``data``, then wait until the kernel has it; for writers.

        Raises:
            ChannelClosedError: the runner is gone, the stream was ended, or another has gone on with it.
        """
        self._require(generation)
        self._transport.write(data)
        self._written += len(data)
        while self._drained is not None:
            await asyncio.shield(self._drained)
            if self.lost or generation != self._writers:
                raise ChannelClosedError

    def _require(self, generation: int) -> None:
        if not self.is_of_now(generation):
            raise ChannelClosedError

    def _interrupt(self) -> None:
        """Have writers that wait look whether they may still write."""
        self.turns.notify()
        if self._drained is not None:
            waited, self._drained = self._drained, asyncio.get_running_loop().create_future()
            waited.set_result(None)

    def end(self) -> None:
        """Tell the runner that this was all."""
        if not self.ended and not self.lost:
            self.ended = True
            self.turns.notify()
            self._on_end()
            if self._transport.get_write_buffer_size():
                self._transport.write_eof()
            else:  # uvloop's write_eof() comes to it some time later
                shut(self._transport, socket.SHUT_WR)

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self.resume_writing()
        self._interrupt()


class SinkWriter:
    """One writer of a sink, to be entered before it is used; one that leaves without ``finish`` has broken off.

    Attributes:
        position: of its first byte.
    """

    def __init__(self, sink: Sink, generation: int) -> None:
        self.sink = sink
        self.generation = generation
        self.position = sink.position

    @property
    def is_current(self) -> bool:
        """Whether it may still write."""
        return self.sink.is_of_now(self.generation)

    async def begin(self) -> None:
        """Make way for the first byte; its position is known then."""

    async def write(self, data: bytes) -> None:
        """Write ``data``, then wait until the kernel has it.

        Raises:
            ChannelClosedError: the runner is gone, the stream was ended, or another has gone on with it.
        """
        await self.sink.write(data, self.generation)

    async def finish(self) -> None:
        """All was written; others may go on.

        Raises:
            ChannelClosedError: the runner is gone, the stream was ended, or another has gone on with it.
        """

    def end(self) -> None:
        """Tell the runner that this was all.

        Raises:
            ChannelClosedError: another has gone on with the stream.
        """
        if not self.is_current and not self.sink.ended and not self.sink.lost:
            raise ChannelClosedError
        self.sink.end()

    def __enter__(self) -> SinkWriter:  # noqa: PYI034 - Self is in typing since 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
