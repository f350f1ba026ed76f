"""Input and stdin of an Instance: from the Hub to its runner, with a position that outlives the Hub.

The position of such a stream is how many of its bytes are with the runner's socket, from where they reach the
Sequence whatever becomes of the Hub. A Hub may be killed between the system call that hands bytes over and the
counting of them. So bytes go through a pipe, which outlives the Hub as the socket does, and from there into the
socket with splice(2): what the pipe still has was not handed over.

    sent       all up to here is with the socket
    aim        where the stream will be when the pipe is empty; the pipe counts only if this is beyond sent

    position = aim - what is in the pipe    if aim > sent, else sent

    write bytes into the empty pipe │ aim = sent + n │ splice, splice ... │ empty:     sent = aim
                                    │                │                    │ given up:  sent = aim - rest, aim = 0,
                                    │                │                    │            empty the pipe

Each of these steps is one system call or the writing of one word of shared memory, and the position is right
after each.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import fcntl
import os
import socket
import termios
from collections.abc import Callable

from transform_hub.hub.channels.channel import ChannelClosedError
from transform_hub.hub.link.protocols import shut
from transform_hub.protocol import SOCKET_BUFFER

PIECE = 256 * 1024
"""Bytes that are put into a pipe at once, as far as the system allows; a new one takes 64 KiB."""

_SENT, _AIM = range(2)
_REQUIRED = slice(2, 4)


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
        if self._drained is not None:
            waited, self._drained = self._drained, asyncio.get_running_loop().create_future()
            waited.set_result(None)

    def end(self) -> None:
        """Tell the runner that this was all."""
        if not self.ended and not self.lost:
            self.ended = True
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
    """One writer of a sink."""

    def __init__(self, sink: Sink, generation: int) -> None:
        self._sink = sink
        self._generation = generation
        self.position = sink.position

    async def write(self, data: bytes) -> None:
        """Write ``data``, then wait until the kernel has it.

        Raises:
            ChannelClosedError: the runner is gone, the stream was ended, or another has gone on with it.
        """
        await self._sink.write(data, self._generation)

    def end(self) -> None:
        """Tell the runner that this was all.

        Raises:
            ChannelClosedError: another has gone on with the stream.
        """
        if not self._sink.is_of_now(self._generation) and not self._sink.ended and not self._sink.lost:
            raise ChannelClosedError
        self._sink.end()


class Outlet:
    """What outlives a Hub of the input or stdin of an Instance.

    Args:
        memory: for two counters.
        pipe: its end to read from, and that to write to.
    """

    def __init__(self, memory: memoryview, pipe: tuple[int, int]) -> None:
        with memory:
            self._counters = memory.cast("Q")
        self._from, self._into = pipe
        self.required = self._counters[_REQUIRED]
        self._sent: int = self._counters[_SENT]
        self._is_large = False
        self.rest = 0

    @property
    def position(self) -> int:
        """How many bytes are with the socket."""
        return self._sent - self.rest

    def begin(self) -> None:
        """Nothing is sent yet: a runner has dialled."""
        self.required[0] = 0
        self._settle(0)

    def recover(self) -> None:
        """Find out where the stream is that an earlier Hub has written."""
        if self._counters[_AIM] > self._sent:
            left = array.array("i", [0])
            fcntl.ioctl(self._from, termios.FIONREAD, left)
            self._settle(self._counters[_AIM] - left[0])
        self._empty()

    def fill(self, data: memoryview) -> int:
        """Put a piece into the empty pipe; how many bytes it has taken."""
        if len(data) > PIECE // 4 and not self._is_large:
            self._is_large = True
            with contextlib.suppress(OSError):  # the user has too many
                fcntl.fcntl(self._into, fcntl.F_SETPIPE_SZ, PIECE)
        self.rest = os.write(self._into, data[:PIECE])
        self._sent += self.rest
        self._counters[_AIM] = self._sent
        return self.rest

    def move(self, sock: int) -> bool:
        """Hand over what the socket takes now; whether that was all there is in the pipe.

        Raises:
            OSError: nobody reads it any more.
        """
        try:
            while self.rest:
                self.rest -= os.splice(self._from, sock, self.rest)
        except BlockingIOError:
            return False
        self._counters[_SENT] = self._sent
        return True

    def give_up(self) -> None:
        """What is still in the pipe is not sent."""
        if self.rest:
            self._settle(self.position)
            self._empty()

    def _settle(self, position: int) -> None:
        self._counters[_SENT] = position
        self._counters[_AIM] = 0
        self._sent, self.rest = position, 0

    def _empty(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(self._from, PIECE):
                pass

    def close(self) -> None:
        """Let go of the memory."""
        self.required.release()
        self._counters.release()


class LastingSink(Sink):
    """A sink whose position outlives the Hub.

    Args:
        outlet: what counts.
        resumed: whether the runner had dialled to an earlier Hub.
    """

    def __init__(
        self, transport: asyncio.Transport, on_end: Callable[[], object], outlet: Outlet, *, resumed: bool
    ) -> None:
        super().__init__(transport, on_end)
        self._outlet = outlet
        self._turns = asyncio.Lock()
        self._waiting: asyncio.Future[None] | None = None
        if not resumed:
            outlet.begin()

    @property
    def position(self) -> int:
        return self._outlet.position

    async def write(self, data: bytes, generation: int) -> None:
        async with self._turns:
            try:
                await self._write(memoryview(data), generation)
            except OSError:
                raise ChannelClosedError from None
            finally:
                self._outlet.give_up()

    async def _write(self, data: memoryview, generation: int) -> None:
        while data:
            self._require(generation)
            data = data[self._outlet.fill(data) :]
            while not self._outlet.move(self._socket.fileno()):
                await self._room()
                self._require(generation)

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        descriptor = os.dup(self._socket.fileno())  # the loop does not watch what a transport watches
        loop.add_writer(descriptor, self._interrupt)
        try:
            await self._waiting
        finally:
            loop.remove_writer(descriptor)
            os.close(descriptor)
            self._waiting = None

    def _interrupt(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
