"""The stream primitive of the Hub: a bounded queue of bytes with many writers and many readers.

Every stream of the Hub is a Channel: output, stdout, stderr, logs, audit, events and topics. There are two kinds:

    queue     (default)       What was written waits until somebody reads it, and is then gone. Readers that are
                              there at the same time each get everything, paced by the slowest. A full channel
                              holds its writers back.
    history   (history=True)  The latest `limit` bytes are kept. Every reader starts with what is kept and goes
                              on live. Writers never wait; a reader that can't keep up misses the oldest
                              chunks, and `missed` counts them.

    chunks    first ─────────── position of a reader ──────── taken ─────────── end
              kept for the slowest reader              what no reader has had yet
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType

LIMIT = 1024 * 1024
"""Bytes a channel holds before its writers wait."""

JOIN = 64 * 1024
"""Bytes that small chunks are joined up to when they are read; larger ones are handed on uncopied."""


class ChannelClosedError(Exception):
    """Written to a channel that has been closed."""


class Channel:
    """A bounded stream of bytes.

    Args:
        limit: bytes it holds; a single chunk may exceed it.
        history: keep the latest bytes for every reader instead of holding writers back.
    """

    def __init__(self, limit: int = LIMIT, *, history: bool = False) -> None:
        self.limit = limit
        self.history = history
        self.closed = False
        self.written = 0
        self._chunks: deque[bytes] = deque()
        self._first = 0
        self._taken = 0
        self._slowest = 0  # how many readers are at the first of what is held, or fewer: then all are looked at again
        self._size = 0
        self._readers: set[ChannelReader] = set()
        self._waiting: deque[Callable[[], object]] = deque()

    @property
    def size(self) -> int:
        """Bytes held now."""
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether writers have to wait."""
        return self._size >= self.limit and not self.history

    @property
    def is_held(self) -> bool:
        """Whether a writer is waiting; it goes on when half of the room is free."""
        return bool(self._waiting)

    @property
    def held_back(self) -> int:
        """How many writers are waiting."""
        return len(self._waiting)

    @property
    def readers(self) -> int:
        """How many readers there are."""
        return len(self._readers)

    def feed(self, chunk: bytes) -> bool:
        """Add a chunk without waiting; False asks the caller to wait (see :meth:`when_room`) before the next.

        Raises:
            ChannelClosedError: the channel has been closed.
        """
        if self.closed:
            raise ChannelClosedError
        if chunk:
            self._chunks.append(chunk)
            self._size += len(chunk)
            self.written += len(chunk)
            if self.history:
                while self._size > self.limit and len(self._chunks) > 1:
                    self._drop_first()
            for reader in self._readers:
                reader.wake()
        return not self.is_full

    async def write(self, chunk: bytes) -> None:
        """Add a chunk as soon as there is room.

        Raises:
            ChannelClosedError: the channel is or was closed meanwhile.
        """
        await self.until_room()
        self.feed(chunk)

    async def until_room(self) -> None:
        """Wait until there is room, or the channel is closed."""
        while self.is_full and not self.closed:
            await self._room()

    async def _room(self) -> None:
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def tell() -> None:
            if not room.done():
                room.set_result(None)

        self.when_room(tell)
        try:
            await room
        finally:
            if tell in self._waiting:  # the writer was cancelled
                self._waiting.remove(tell)

    def when_room(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once when there is room again, or when the channel is closed."""
        self._waiting.append(callback)

    def close(self) -> None:
        """End the stream: readers get what is left, then the end."""
        if self.closed:
            return
        self.closed = True
        for reader in self._readers:
            reader.wake()
        self._call_waiting()

    def discard(self) -> None:
        """Close and forget what is held."""
        self.close()
        self._first += len(self._chunks)
        self._taken = max(self._taken, self._first)
        self._chunks.clear()
        self._size = 0

    def reader(self) -> ChannelReader:
        """A new reader: of all that is kept (history), else of what no other reader has had."""
        reader = ChannelReader(self, self._first if self.history else max(self._taken, self._first))
        self._readers.add(reader)
        return reader

    # take and leave are called by readers only.

    def take(self, reader: ChannelReader) -> bytes:
        """The next bytes for a reader, b"" if there are none now."""
        if reader.position < self._first:
            reader.missed += self._first - reader.position
            reader.position = self._first
        index = reader.position - self._first
        if index >= len(self._chunks):
            return b""
        chunk = self._chunks[index]
        count = 1
        if len(chunk) < JOIN and index + 1 < len(self._chunks):
            chunk, count = self._join(index)
        was_slowest = reader.position == self._first
        reader.position += count
        if not self.history:
            self._taken = max(self._taken, reader.position)
            self._went_on(was_slowest=was_slowest)
        return chunk

    def _went_on(self, *, was_slowest: bool) -> None:
        """A reader has; only when none is left at the first of what is held all are looked at: there may be many."""
        self._slowest -= was_slowest
        if self._slowest <= 0:
            self._trim()

    def _join(self, index: int) -> tuple[bytes, int]:
        parts: list[bytes] = []
        size = 0
        while index < len(self._chunks) and size + len(self._chunks[index]) <= JOIN:
            parts.append(self._chunks[index])
            size += len(parts[-1])
            index += 1
        return b"".join(parts), len(parts)

    def _trim(self) -> None:
        """Forget what every reader has had; without readers, what any has had."""
        keep_from = min((reader.position for reader in self._readers), default=self._taken)
        while self._first < keep_from:
            self._drop_first()
        self._slowest = sum(reader.position == self._first for reader in self._readers)
        if self._waiting and self._size * 2 <= self.limit:
            self._call_waiting()

    def _drop_first(self) -> None:
        self._size -= len(self._chunks.popleft())
        self._first += 1

    def _call_waiting(self) -> None:
        while self._waiting and (self.closed or not self.is_full):
            self._waiting.popleft()()

    def leave(self, reader: ChannelReader) -> None:
        """A reader goes."""
        self._readers.discard(reader)
        if not self.history:
            self._trim()


class ChannelReader:
    """One reader's place in a channel; an async iterator over its bytes and an async context manager."""

    def __init__(self, channel: Channel, position: int) -> None:
        self.channel = channel
        self.position = position
        self.missed = 0
        self.finished = False
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """The next bytes as soon as there are any; ``b""`` at the end of the stream."""
        while True:
            data = self.channel.take(self)
            if data or self.channel.closed or self.finished:
                return data
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def finish(self) -> None:
        """What there is now is all for this reader, though the channel may go on."""
        self.finished = True
        self.wake()

    def close(self) -> None:
        """Leave: this reader no longer holds anybody back."""
        self.channel.leave(self)

    def wake(self) -> None:
        """There may be something to read."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self.read():
            yield data

    def __enter__(self) -> ChannelReader:  # noqa: PYI034 - Self is in typing since 3.11
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
