"""A stream's bytes in shared memory that outlives the Hub: what was read of a runner and not handed on is not lost.

    page of counters: base | written | taken      followed by the bytes, byte n of the stream at n % capacity

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

import functools
import mmap
import os
import socket
from collections.abc import Callable
from pathlib import Path

from transform_hub.hub.channels.memory import LIMIT

CHUNK = 256 * 1024
"""Bytes that are read or handed on at once."""

MARGIN = 4 * CHUNK
"""The chunk that may go beyond what a channel holds, and what is kept to go on at."""

CAPACITY = LIMIT + MARGIN
"""What a channel holds before its runner waits, and the margin."""

KEPT = CAPACITY - CHUNK
"""Bytes that all readers have had and a larger ring keeps to go on at."""

ARMED = 1 << 30
REARM = 1 << 29
_BASE, _WRITTEN, _TAKEN, _FLOOR, _NUMBER = range(5)
_PROVIDED = slice(8, 13)
_MOST = 1 << 62

SO_PEEK_OFF = 42
"""The same on all architectures of Linux but sparc and parisc; Python does not name it."""


@functools.cache
def can_spool() -> bool:
    """Whether this system has what rings and splice pipes need."""
    if not (hasattr(os, "memfd_create") and hasattr(os, "splice") and Path("/proc/self/fd").exists()):
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


class Ring:
    """The bytes of one stream, by their position in it: a store of a channel.

    Args:
        memory: a page of counters, and the bytes.
        free: gives pages of these bytes back to the system, from an offset on so many bytes; they are zeros then.

    Attributes:
        held_from: what is to be kept begins here.
        provided: shared words for how far the stream is in a topic, see :mod:`transform_hub.hub.topics.progress`.
    """

    def __init__(self, memory: memoryview, free: Callable[[int, int], object]) -> None:
        self._free = free
        with memory, memory[: mmap.PAGESIZE] as page:
            self._counters = page.cast("Q")
            self._data = memory[mmap.PAGESIZE :]
        self.capacity = len(self._data)
        self.provided = self._counters[_PROVIDED]
        if not max(self._counters[_TAKEN], self._counters[_FLOOR]) <= self._counters[_WRITTEN] < _MOST:
            self._counters[:_NUMBER] = memoryview(bytes(8 * _NUMBER)).cast("Q")  # damaged: nothing is known
        self.written: int = self._counters[_WRITTEN]
        self.taken: int = self._counters[_TAKEN]
        self.held_from = max(self.taken, self.oldest)

    @property
    def oldest(self) -> int:
        """The first position that can still be read, whatever is read of the runner meanwhile."""
        return max(self._counters[_FLOOR], self.written + CHUNK - self.capacity)

    @property
    def number(self) -> int:
        """Tells this stream from others of its name."""
        return self._counters[_NUMBER]

    @number.setter
    def number(self, number: int) -> None:
        self._counters[_NUMBER] = number

    def append(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            piece = data[start : start + CHUNK]
            self.put(piece)
            self.commit(len(piece))

    def read(self, position: int) -> bytes:
        start = position % self.capacity
        size = min(self.written - position, CHUNK, self.capacity - start)
        return bytes(self._data[start : start + size])

    def hold_from(self, position: int) -> None:
        """A ring has its bytes until they are overwritten; a larger one gives them back before."""
        self.held_from = position
        if self.capacity > CAPACITY and position - KEPT - self._counters[_FLOOR] >= LIMIT:
            self._give_back(position - KEPT)

    def shrink(self, keep: int) -> None:
        self._give_back(min(self.held_from, self.written - keep))

    def _give_back(self, position: int) -> None:
        """Give the pages of what comes before a position back to the system."""
        self._counters[_FLOOR] = max(position, self._counters[_FLOOR])  # first: nobody reads what is freed
        start = max(self.written - self.capacity, 0)
        while start < position:
            offset = start % self.capacity
            size = min(position - start, self.capacity - offset)
            first, last = -(-offset // mmap.PAGESIZE), (offset + size) // mmap.PAGESIZE
            if first < last:
                self._free(first * mmap.PAGESIZE, (last - first) * mmap.PAGESIZE)
            start += size

    def take(self, position: int) -> None:
        if position > self.taken:
            self.taken = self._counters[_TAKEN] = position

    def discard(self) -> None:
        """The memory is given back with that of the other streams, or the topic."""

    def close(self) -> None:
        """Let go of the memory."""
        self.provided.release()
        self._counters.release()
        self._data.release()

    # --- read from a socket -------------------------------------------------------------------------------

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
        """Where the next bytes belong; up to CHUNK, as far as they are in one piece."""
        start = self.written % self.capacity
        return self._data[start : min(start + CHUNK, self.capacity)]

    def put(self, data: bytes) -> None:
        """Write bytes there, without counting them."""
        start = self.written % self.capacity
        first = min(len(data), self.capacity - start)
        self._data[start : start + first] = data[:first]
        self._data[: len(data) - first] = data[first:]

    def commit(self, size: int) -> None:
        """Count bytes that were put there."""
        self._set_written(self.written + size)

    def _set_written(self, position: int) -> None:
        self.written = self._counters[_WRITTEN] = position

    # --- replaced by another ------------------------------------------------------------------------------

    def copy(self, earlier: Ring) -> None:
        """Become what another ring was, as far as there is room."""
        self.number = earlier.number
        position = self._counters[_FLOOR] = max(earlier.oldest, earlier.written + CHUNK - self.capacity)
        self.written = position
        while position < earlier.written:
            data = earlier.read(position)
            self.put(data)
            self.written = position = position + len(data)
        self._set_written(position)
        self.take(earlier.taken)
        self.held_from = earlier.held_from
