"""The stream primitive of the Hub: a bounded stream of bytes with many writers and many readers.

Every stream of the Hub is a Channel: output, stdout, stderr, logs, audit, events and topics. Its bytes have positions,
counted from the start of the stream, and lie in a store: in memory, or in a ring that outlives the Hub.

    oldest ─────────────── first ─────────── a reader ──────── taken ─────────── written
      kept to go on at       held for the slowest               what no reader has had yet

Three ways to read:

    take       reader()              From what no other reader has had. Readers that are there at the same time each
                                     get everything. The slowest paces the writers, which wait while it is full.
    follow     reader(at=position)   The same, but from a position on, as far as it is still kept.
    tap        reader(tap=True)      A copy from now on, which takes nothing and holds nobody. A tap that can't keep up
                                     misses the oldest bytes; `missed` counts them.

In a channel of the kind `history` writers never wait: the latest bytes are kept, and every reader is a tap that starts
with the oldest of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Protocol

from transform_hub.hub.channels.memory import LIMIT, MemoryStore


class ChannelClosedError(Exception):
    """Written to a channel that has been closed."""


class Store(Protocol):
    """The bytes of one stream, by their position in it."""

    @property
    def oldest(self) -> int:
        """The first position that can still be read."""

    @property
    def written(self) -> int:
        """The position behind the last byte."""

    @property
    def taken(self) -> int:
        """Up to where a reader has had it; another Hub goes on there."""

    def append(self, data: bytes) -> None:
        """Add bytes."""

    def read(self, position: int) -> bytes:
        """The bytes from a position on, as many as are in one piece; ``b""`` at ``written``."""

    def hold_from(self, position: int) -> None:
        """Keep all from this position on; what comes before may go when there is need of room."""

    def take(self, position: int) -> None:
        """A reader has handed on all up to here."""

    def discard(self) -> None:
        """Forget all bytes: nothing is read any more."""


class Channel:
    """A bounded stream of bytes.

    Args:
        store: where the bytes are; in memory by default.
        limit: bytes that it holds before writers wait, or keeps as history; a single chunk may exceed it.
        history: keep the latest bytes for every reader instead of holding writers back.
    """

    def __init__(self, store: Store | None = None, *, limit: int = LIMIT, history: bool = False) -> None:
        self.limit = limit
        self.history = history
        self.closed = False
        self._store = store if store is not None else MemoryStore(limit if history else limit * 7 // 4)
        self._taken = self._store.taken
        self._first = self._store.written if history else self._taken
        self._at_first = 0  # lower bound of the readers that are at the first byte held; 0 triggers a rescan
        self._discarded = False
        self._readers: set[ChannelReader] = set()
        self._taps: set[ChannelReader] = set()
        self._waiting: deque[Callable[[], object]] = deque()

    @property
    def written(self) -> int:
        """The position behind the last byte: how many bytes the stream has carried."""
        return self._store.written

    @property
    def oldest(self) -> int:
        """The first position that can still be read."""
        return self._store.written if self._discarded else self._store.oldest

    @property
    def size(self) -> int:
        """Bytes that the slowest reader has not had; without readers, those that none has had; of a history, all."""
        return self.written - (self.oldest if self.history else self._first)

    @property
    def is_full(self) -> bool:
        """Whether writers have to wait."""
        return self._store.written - self._first >= self.limit

    @property
    def is_held(self) -> bool:
        """Whether a writer waits; it goes on when half of the room is free."""
        return bool(self._waiting)

    @property
    def held_back(self) -> int:
        """How many writers wait."""
        return len(self._waiting)

    @property
    def readers(self) -> int:
        """How many readers there are; taps count in a history alone."""
        return len(self._taps if self.history else self._readers)

    def feed(self, chunk: bytes) -> bool:
        """Add a chunk without waiting; False asks the caller to wait (see :meth:`when_room`) before the next.

        Raises:
            ChannelClosedError: the channel has been closed.
        """
        if self.closed:
            raise ChannelClosedError
        if chunk:
            self._store.append(chunk)
            self.notify()
        return not self.is_full

    def notify(self) -> None:
        """Bytes have come into the store: wake the readers."""
        if self.history:
            self._first = self._taken = self._store.written
            self._store.hold_from(self._first)
        for reader in self._readers:
            reader.wake()
        for reader in self._taps:
            reader.wake()

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
        for reader in (*self._readers, *self._taps):
            reader.wake()
        self._call_waiting()

    def discard(self) -> None:
        """Close and forget all bytes."""
        self.close()
        self._first = self._taken = self._store.written
        self._discarded = True
        self._store.discard()

    def reader(self, at: int | None = None, *, tap: bool = False) -> ChannelReader:
        """A new reader.

        Args:
            at: the position to begin at, as far as it is kept. By default a reader begins with what no other has had,
                a tap with what comes from now on (of a history: with all that is kept).
            tap: take nothing and hold nobody.
        """
        if at is None:
            at = self.oldest if self.history else self.written if tap else self._taken
        reader = ChannelReader(self, at)
        (self._taps if tap or self.history else self._readers).add(reader)
        self.move(reader, at)
        return reader

    def tail(self, size: int) -> bytes:
        """The last bytes, as many of ``size`` as are kept."""
        parts, position = [], max(self.written - size, self.oldest)
        while data := b"" if self._discarded else self._store.read(position):
            parts.append(data)
            position += len(data)
        return b"".join(parts)

    # What follows is called by readers only.

    def move(self, reader: ChannelReader, position: int) -> None:
        """Let a reader go on elsewhere."""
        reader.position = min(max(position, self.oldest), self.written)
        if reader in self._readers:
            self._at_first = 0  # nobody knows any more who is at the head
            if reader.position < self._first:
                self._first = reader.position
                self._store.hold_from(self._first)

    def take(self, reader: ChannelReader) -> bytes:
        """The next bytes for a reader, b"" if there are none now."""
        if self._discarded:
            return b""
        if reader not in self._readers:
            return self._copy(reader)
        self._store.take(reader.position)  # a reader that asks for more has handed on what came before
        data = self._store.read(reader.position)
        if data:
            was_first = reader.position <= self._first
            reader.position += len(data)
            self._taken = max(self._taken, reader.position)
            # Rescan the readers only when none is left at the head: O(1) per read, however many there are.
            self._at_first -= was_first
            if self._at_first <= 0:
                self._trim()
        return data

    def _copy(self, tap: ChannelReader) -> bytes:
        if tap.position < self.oldest:
            tap.missed += self.oldest - tap.position
            tap.position = self.oldest
        data = self._store.read(tap.position)
        tap.position += len(data)
        return data

    def _trim(self) -> None:
        """Make room up to where every reader is; without readers, up to where any was."""
        first = min((reader.position for reader in self._readers), default=self._taken)
        self._at_first = sum(reader.position <= first for reader in self._readers)
        if first > self._first:
            self._first = first
            self._store.hold_from(first)
        if self._waiting and self.size * 2 <= self.limit:
            self._call_waiting()

    def _call_waiting(self) -> None:
        while self._waiting and (self.closed or not self.is_full):
            self._waiting.popleft()()

    def leave(self, reader: ChannelReader) -> None:
        """A reader goes."""
        self._taps.discard(reader)
        if reader in self._readers:
            self._readers.remove(reader)
            if not self._discarded:
                self._store.take(reader.position)
            self._trim()


class ChannelReader:
    """One reader's place in a channel; an async iterator over its bytes and a context manager.

    Attributes:
        position: of the next byte.
        missed: bytes that a tap was too slow for.
        finished: whether it is to end with what there is now.
    """

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

    def seek(self, position: int) -> None:
        """Go on at a position, as far as it is kept."""
        self.channel.move(self, position)

    def finish(self) -> None:
        """End with what there is now, though the channel may go on."""
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

    async def __aenter__(self) -> ChannelReader:  # noqa: PYI034 - the same
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
