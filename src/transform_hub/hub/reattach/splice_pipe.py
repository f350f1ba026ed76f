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
import errno
import fcntl
import os
import termios
from collections.abc import Callable

from transform_hub.hub.channels.channel import ChannelClosedError
from transform_hub.hub.link.runner_input import Sink

PIECE = 256 * 1024
"""Bytes that are put into a pipe at once, as far as the system allows; a new one takes 64 KiB."""

SCARCE = (errno.EMFILE, errno.ENFILE)
PAUSE = 0.1
"""Seconds until it is tried again to have a descriptor when there was none."""

_SENT, _AIM = range(2)
_REQUIRED = slice(2, 5)


def make_pipe() -> int:
    """A pipe with one descriptor for both of its ends.

    Raises:
        OSError: there is no descriptor left.
    """
    ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.open(f"/proc/self/fd/{ends[0]}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    finally:
        for end in ends:
            os.close(end)


class SplicePipe:
    """The pipe and counters of one input or stdin, which outlive the Hub.

    Args:
        memory: for two counters.
        make: makes the pipe, when it is needed.
        pipe: that of an earlier Hub.
    """

    def __init__(self, memory: memoryview, make: Callable[[], int], pipe: int | None = None) -> None:
        with memory:
            self._counters = memory.cast("Q")
        self._make, self._pipe = make, pipe
        self.required = self._counters[_REQUIRED]
        self._sent: int = self._counters[_SENT]
        self._is_large = False
        self._has_ended = False
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
        if self._pipe is None:
            return
        if self._counters[_AIM] > self._sent:
            left = array.array("i", [0])
            fcntl.ioctl(self._pipe, termios.FIONREAD, left)
            self._settle(self._counters[_AIM] - left[0])
        self._empty()

    def open(self) -> int:
        """Have a pipe; its descriptor.

        Raises:
            OSError: it has ended, or there is no descriptor left.
        """
        if self._has_ended:
            raise BrokenPipeError
        if self._pipe is None:
            self._pipe = self._make()
        return self._pipe

    def fill(self, data: memoryview) -> int:
        """Put a piece into the empty pipe; how many bytes it has taken.

        Raises:
            OSError: see :meth:`open`.
        """
        pipe = self.open()
        if len(data) > PIECE // 4 and not self._is_large:
            self._is_large = True
            with contextlib.suppress(OSError):  # the user has too many
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIECE)
        self.rest = os.write(pipe, data[:PIECE])
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
                self.rest -= os.splice(self.open(), sock, self.rest)
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
        assert self._pipe is not None
        with contextlib.suppress(BlockingIOError):
            while os.read(self._pipe, PIECE):
                pass

    def end(self) -> None:
        """Nothing more is sent; who owns the pipe may close it."""
        self.give_up()
        self._has_ended, self._pipe = True, None

    def close(self) -> None:
        """Let go of the memory."""
        self.required.release()
        self._counters.release()


async def _patiently(make: Callable[[], int]) -> int:
    """A descriptor, as soon as there is one to be had."""
    while True:
        try:
            return make()
        except OSError as error:
            if error.errno not in SCARCE:
                raise
        await asyncio.sleep(PAUSE)


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
        await _patiently(self._pipe.open)
        while data:
            self._require(generation)
            data = data[self._pipe.fill(data) :]
            while not self._pipe.move(self._socket.fileno()):
                await self._room()
                self._require(generation)

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        descriptor = await _patiently(lambda: os.dup(self._socket.fileno()))
        self._waiting = loop.create_future()
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
