"""Input and stdin with a position that outlives the Hub.

A Hub may be killed between the system call that hands bytes to the runner's socket and the counting of them. So bytes
go through a pipe, which outlives the Hub as the socket does, and from there into the socket with splice(2): what the
pipe still has was not handed over.

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
import termios
from collections.abc import Callable

from transform_hub.hub.channels.channel import ChannelClosedError
from transform_hub.hub.link.runner_input import Sink

PIECE = 256 * 1024
"""Bytes that are put into a pipe at once, as far as the system allows; a new one takes 64 KiB."""

_SENT, _AIM = range(2)
_REQUIRED = slice(2, 5)


class SplicePipe:
    """The pipe and counters of one input or stdin, which outlive the Hub.

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


class SplicedSink(Sink):
    """A sink whose position outlives the Hub.

    Args:
        pipe: what counts.
        resumed: whether the runner had dialled to an earlier Hub.
    """

    def __init__(
        self, transport: asyncio.Transport, on_end: Callable[[], object], pipe: SplicePipe, *, resumed: bool
    ) -> None:
        super().__init__(transport, on_end)
        self._pipe = pipe
        self._turns = asyncio.Lock()
        self._waiting: asyncio.Future[None] | None = None
        if not resumed:
            pipe.begin()

    @property
    def position(self) -> int:
        return self._pipe.position

    async def write(self, data: bytes, generation: int) -> None:
        async with self._turns:
            try:
                await self._write(memoryview(data), generation)
            except OSError:
                raise ChannelClosedError from None
            finally:
                self._pipe.give_up()

    async def _write(self, data: memoryview, generation: int) -> None:
        while data:
            self._require(generation)
            data = data[self._pipe.fill(data) :]
            while not self._pipe.move(self._socket.fileno()):
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
