"""Streams of an Instance in memory that outlives the Hub: what was read of a runner and not handed on yet is not lost.

One piece of shared memory (a memfd, which the keeper holds as well) has a ring for each stream:

    page of counters: base | written | taken      followed by CAPACITY bytes, byte n of the stream at n % CAPACITY

    oldest ───────────── taken ─────────────────── written ────────── (being read from the runner)
      had by a reader      what no reader has had    │
      kept to go on at     yet                       └ bytes that were read of the socket

A Hub may be killed at any moment, also between the system call that takes bytes off a socket and the counting of
them. So the socket itself counts: each read lowers its peek offset (SO_PEEK_OFF, socket(7)) by the bytes it took,
and the offset outlives the Hub with the socket. As the bytes are read right to their place in the ring, the next
Hub has only to move ``written`` to where the offset says.

    base      what ``written`` was when the offset was set to ARMED; it is set again long before it reaches 0
    taken     what was handed to the kernel for the reader that is furthest
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import mmap
import os
import socket
from collections.abc import Callable

from transform_hub.hub.channels.channel import LIMIT, Channel, ChannelClosedError, ChannelReader
from transform_hub.hub.link.protocols import cut
from transform_hub.hub.link.runner_input import Outlet

NAMES = ("output", "stdout", "stderr")
RINGS = (*NAMES, "log")
SINKS = ("input", "stdin")
CHUNK = 256 * 1024
"""Bytes that are read or handed on at once."""

CAPACITY = LIMIT + 4 * CHUNK
"""What a channel holds before its runner waits, the chunk that may go beyond, and what is kept to go on at."""

PIPES = {name: (f"{name}-from", f"{name}-into") for name in SINKS}
DESCRIPTORS = ("spool", *PIPES["input"], *PIPES["stdin"])
OUTLET = 64
"""Bytes of memory of an outlet."""

ARMED = 1 << 30
REARM = 1 << 29
_BASE, _WRITTEN, _TAKEN, _FLOOR, _NUMBER = range(5)
_PROVIDED = slice(8, 12)

SO_PEEK_OFF = 42
"""The same on all architectures of Linux but sparc and parisc; Python does not name it."""


@functools.cache
def can_spool() -> bool:
    """Whether this system has what it takes."""
    if not (hasattr(os, "memfd_create") and hasattr(os, "splice")):
        return False
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            ours.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, ARMED)
            theirs.send(b"x")
            ours.recv(1)
            return ours.getsockopt(socket.SOL_SOCKET, SO_PEEK_OFF) == ARMED - 1
        except OSError:
            return False


class Spool:
    """What outlives the Hub of one Instance: a ring for each stream to read, an outlet for each to write.

    Args:
        earlier: descriptors that an earlier Hub has made: those of :attr:`descriptors`.

    Attributes:
        descriptors: of the memory and the pipes.
        outlets: of input and stdin.
    """

    def __init__(self, earlier: dict[str, int] | None = None) -> None:
        self.descriptors = earlier or _make_descriptors()
        size = mmap.PAGESIZE + CAPACITY
        begin_of_outlets = size * len(RINGS)
        total = begin_of_outlets + mmap.PAGESIZE
        os.ftruncate(self.descriptors["spool"], total)
        self._mapped = mmap.mmap(self.descriptors["spool"], total)
        with memoryview(self._mapped) as memory:
            self._rings = {name: Ring(memory[size * place : size * (place + 1)]) for place, name in enumerate(RINGS)}
            places = {name: begin_of_outlets + OUTLET * place for place, name in enumerate(SINKS)}
            self.outlets = {
                name: Outlet(memory[place : place + OUTLET], self._pipe(name)) for name, place in places.items()
            }
        for outlet in self.outlets.values():
            outlet.recover()

    def _pipe(self, name: str) -> tuple[int, int]:
        ends = PIPES[name]
        return self.descriptors[ends[0]], self.descriptors[ends[1]]

    @staticmethod
    def of(channels: dict[str, int]) -> Spool | None:
        """The spool in what an earlier Hub has left of an Instance, from which it is taken; None if there is none."""
        if not {*DESCRIPTORS} <= {*channels}:  # there is none, or one of another version, which stays there
            return None
        return Spool({name: channels.pop(name) for name in DESCRIPTORS})

    def __getitem__(self, name: str) -> Ring:
        return self._rings[name]

    def close(self) -> None:
        """Give the memory back, at once: as part of an Instance it would stay until the garbage is collected."""
        for descriptor in self.descriptors.values():
            os.close(descriptor)
        if self.descriptors:
            self.descriptors = {}
            for ring in self._rings.values():
                ring.close()
            for outlet in self.outlets.values():
                outlet.close()
            with contextlib.suppress(BufferError):  # a transport is about to let go of its last buffer
                self._mapped.close()


def _make_descriptors() -> dict[str, int]:
    made = {"spool": os.memfd_create("spool")}
    for ends in PIPES.values():
        made.update(zip(ends, os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC), strict=True))
    return made


class Ring:
    """The bytes of one stream, by their position in it."""

    def __init__(self, memory: memoryview) -> None:
        with memory, memory[: mmap.PAGESIZE] as page:
            self._counters = page.cast("Q")
            self._data = memory[mmap.PAGESIZE :]
        self.capacity = len(self._data)
        self.provided = self._counters[_PROVIDED]
        self.written: int = self._counters[_WRITTEN]
        self.taken: int = self._counters[_TAKEN]

    @property
    def oldest(self) -> int:
        """The first position that can still be read, whatever is read of the runner meanwhile."""
        return max(self._counters[_FLOOR], self.written + CHUNK - self.capacity)

    @property
    def number(self) -> int:
        """Something to know it by."""
        return self._counters[_NUMBER]

    @number.setter
    def number(self, number: int) -> None:
        self._counters[_NUMBER] = number

    def follow(self, earlier: Ring) -> None:
        """Be what another was, as far as there is room."""
        self.number = earlier.number
        position = self._counters[_FLOOR] = max(earlier.oldest, earlier.written + CHUNK - self.capacity)
        self.written = position
        while position < earlier.written:
            data = earlier.read(position)
            self.put(data)
            self.written = position = position + len(data)
        self._set_written(position)
        self.take(earlier.taken)

    def recover(self, sock: socket.socket) -> None:
        """Count what an earlier Hub has read of a socket without counting it."""
        consumed = ARMED - sock.getsockopt(socket.SOL_SOCKET, SO_PEEK_OFF)
        uncounted = self._counters[_BASE] + consumed - self.written
        if 0 < uncounted <= CHUNK:  # else it was not armed, or was just about to be armed again
            self._set_written(self.written + uncounted)

    def arm(self, sock: socket.socket) -> None:
        """Let a socket count from here on what is read of it."""
        self._counters[_BASE] = self.written
        sock.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, ARMED)

    @property
    def counted(self) -> int:
        """Bytes since the socket was armed."""
        return self.written - self._counters[_BASE]

    def room(self) -> memoryview:
        """Where the next bytes are to be put; up to CHUNK, as far as they are in one piece."""
        start = self.written % self.capacity
        return self._data[start : min(start + CHUNK, self.capacity)]

    def put(self, data: bytes) -> None:
        """Write bytes there, without counting them."""
        start = self.written % self.capacity
        first = min(len(data), self.capacity - start)
        self._data[start : start + first] = data[:first]
        self._data[: len(data) - first] = data[first:]

    def commit(self, size: int) -> None:
        """So many bytes were put there."""
        self._set_written(self.written + size)

    def read(self, position: int) -> bytes:
        """Bytes from a position on, as many as are in one piece."""
        start = position % self.capacity
        size = min(self.written - position, CHUNK, self.capacity - start)
        return bytes(self._data[start : start + size])

    def take(self, position: int) -> None:
        """All up to here is with the kernel."""
        if position > self.taken:
            self.taken = self._counters[_TAKEN] = position

    def close(self) -> None:
        """Let go of the memory: nothing more is written, and all counts as taken."""
        self.taken = self.written
        self.provided.release()
        self._counters.release()
        self._data.release()

    def _set_written(self, position: int) -> None:
        self.written = self._counters[_WRITTEN] = position


class SpooledChannel(Channel):
    """A channel of the queue kind, with its bytes in a ring.

    Positions of its readers are those of bytes in the stream. Readers that come with a position go on there.
    """

    def __init__(self, ring: Ring) -> None:
        super().__init__()
        self.ring = ring
        self.written = ring.written
        self._first = self._taken = ring.taken

    @property
    def size(self) -> int:
        return self.written - self._first

    @property
    def is_full(self) -> bool:
        return self.size >= self.limit

    def recover(self, sock: socket.socket) -> None:
        """Have what an earlier Hub has read of a socket without counting it."""
        self.ring.recover(sock)
        self.written = self.ring.written

    def feed(self, chunk: bytes) -> bool:
        for start in range(0, len(chunk), CHUNK):
            piece = chunk[start : start + CHUNK]
            while piece:
                room = self.ring.room()[: len(piece)]
                room[:] = piece[: len(room)]
                self.fed(len(room))
                piece = piece[len(room) :]
        return not self.is_full

    def fed(self, size: int) -> bool:
        """So many bytes were put where the ring has room; False asks the caller to wait."""
        if self.closed:
            raise ChannelClosedError
        self.ring.commit(size)
        self.written = self.ring.written
        for reader in self._readers:
            reader.wake()
        return not self.is_full

    def discard(self) -> None:
        self.close()
        self._first = self._taken = self.written

    def reader(self, position: int | None = None) -> ChannelReader:
        """A new reader: from a position on, as far as it is kept; else of what no other reader has had."""
        start = self._taken if position is None else min(max(position, self.ring.oldest), self.written)
        reader = ChannelReader(self, start)
        self._readers.add(reader)
        self._first, self._slowest = min(self._first, start), 0
        return reader

    def take(self, reader: ChannelReader) -> bytes:
        self.ring.take(reader.position)  # who asks for more has handed on what came before
        if self.closed and self._first == self.written:
            return b""
        data = self.ring.read(reader.position)
        was_slowest = bool(data) and reader.position <= self._first
        reader.position += len(data)
        self._taken = max(self._taken, reader.position)
        self._went_on(was_slowest=was_slowest)
        return data

    def leave(self, reader: ChannelReader) -> None:
        self.ring.take(reader.position)
        super().leave(reader)

    def _trim(self) -> None:
        """Make room up to what every reader has had; without readers, what any has had."""
        self._first = max(self._first, min((reader.position for reader in self._readers), default=self._taken))
        self._slowest = sum(reader.position <= self._first for reader in self._readers)
        if self._waiting and self.size * 2 <= self.limit:
            self._call_waiting()


class LastingLog(Channel):
    """The log of an Instance, with its latest entries in a ring as well, but for those longer than CHUNK."""

    def __init__(self, ring: Ring) -> None:
        super().__init__(history=True)
        self._ring = ring
        position, kept = ring.oldest, b""
        while data := ring.read(position):
            position += len(data)
            kept += data
        if ring.oldest:  # it begins within an entry
            kept = kept.partition(b"\n")[2]
        for line in kept[-self.limit :].splitlines(keepends=True):
            super().feed(line)

    def feed(self, chunk: bytes) -> bool:
        if len(chunk) <= CHUNK:
            with contextlib.suppress(ValueError):  # the memory is given back before the log ends
                self._ring.put(chunk)
                self._ring.commit(len(chunk))
        return super().feed(chunk)


class SpoolSource(asyncio.BufferedProtocol):
    """Runner -> Hub: what arrives is read right into a ring; a full channel stops the reading.

    Args:
        on_lost: called after the last, when all is in the ring.
        on_stall: called with True when reading stops because the channel is full, with False when it goes on.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        channel: SpooledChannel,
        on_lost: Callable[[], None],
        on_stall: Callable[[bool], None],
    ) -> None:
        self._transport = transport
        self._channel = channel
        self._on_lost = on_lost
        self._on_stall = on_stall
        self._armed = False

    def data_received(self, data: bytes) -> None:
        """What came with the hello."""
        self._channel.feed(data)

    def get_buffer(self, sizehint: int) -> memoryview:
        ring = self._channel.ring
        if not self._armed or ring.counted > REARM:
            ring.arm(self._transport.get_extra_info("socket"))
            self._armed = True
        # A transport reads once before it can be paused, for each Hub that takes over: not over what nobody has read.
        return ring.room()[:1] if self._channel.is_full else ring.room()

    def buffer_updated(self, nbytes: int) -> None:
        try:
            goes_on = self._channel.fed(nbytes)
        except ChannelClosedError:
            cut(self._transport)
            return
        if not goes_on:
            self._transport.pause_reading()
            self._channel.when_room(self._resume)
            self._on_stall(True)

    def _resume(self) -> None:
        self._on_stall(False)
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def eof_received(self) -> None:
        """Nothing more comes."""

    def connection_lost(self, error: Exception | None) -> None:
        self._on_lost()
