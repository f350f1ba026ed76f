"""The stream primitive of the Hub: a bounded stream of bytes with many writers and many readers.

Every stream of the Hub is a Channel: output, stdout, stderr, logs, audit, events and topics. Its bytes have positions,
counted from the start of the stream, and lie in a store: in memory, or in a ring that outlives the Hub.

    oldest ─────────────── first ─────────── a reader ──────── taken ─────────── written
      kept to go on at       held for the slowest               what no reader has had yet

Four ways to read:

    take       reader()              From what no other reader has had. Readers that are there at the same time each
                                     get everything. The slowest paces the writers, which wait while it is full.
    follow     reader(at=position)   The same, but from a position on, as far as it is still kept.
    share      reader(shares=True)   Paces the writers as well, but takes nothing: those who take get it, too.
    tap        reader(tap=True)      A copy from now on, which takes nothing and holds nobody. A tap that can't keep up
                                     misses the oldest bytes; `missed` counts them.

While nobody takes and it is full

    by default                       writers wait for a reader.
    lossy, or while it is shared     they wait PATIENCE seconds; then the oldest bytes go until somebody takes again.

In a channel of the kind `history` writers never wait: the latest bytes are kept, and every reader is a tap that starts
with the oldest of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from transform_hub.hub.channels.idle import KEPT, IdleTimer
from transform_hub.hub.channels.memory import LIMIT, MemoryStore
from transform_hub.hub.channels.reader import ChannelReader
from transform_hub.hub.channels.store import Store

PATIENCE = 2.0
"""Seconds, from the first byte that nobody is there to take, in which a reader may come and misses nothing.

A client that has started an Instance, or lost its connection, needs some time to be there (again).
"""


class ChannelClosedError(Exception):
    """Written to a channel that has been closed."""


class Channel:
    """A bounded stream of bytes.

    Args:
        store: where the bytes are; in memory by default.
        limit: bytes that it holds before writers wait, or keeps as history; a single chunk may exceed it.
        history: keep the latest bytes for every reader instead of holding writers back.
        lossy: drop the oldest bytes instead of holding writers back while nobody takes.
        on_dropped: called with the bytes that were dropped, when somebody takes again or the stream ends.
        align: where the item begins that a position is in; nobody begins to take within an item.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        limit: int = LIMIT,
        history: bool = False,
        lossy: bool = False,
        on_dropped: Callable[[int], object] = lambda _: None,
        align: Callable[[int], int] = lambda position: position,
    ) -> None:
        self.align = align
        self.limit = limit
        self.history = history
        self.closed = False
        self._store = store if store is not None else MemoryStore(limit if history else limit * 7 // 4)
        self._taken = max(self._store.taken, self._store.oldest)  # where the next who takes begins
        self._first = self._store.written if history else self._taken
        self._lossy = lossy
        self._on_dropped = on_dropped
        self._dropped = self._taken - self._store.taken  # and not told yet
        self._is_dropping = lossy and self._dropped > 0
        self._patience: asyncio.TimerHandle | None = None
        self._sharing = 0
        self._at_first = 0  # lower bound of the readers that are at the first byte held; 0 triggers a rescan
        self._discarded = False
        self._readers: set[ChannelReader] = set()
        self._taps: set[ChannelReader] = set()
        self._waiting: deque[Callable[[], object]] = deque()
        self._idle = IdleTimer(lambda: self.written + self._first, lambda: self._store.shrink(KEPT))

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
        return self._backlog >= self.limit

    @property
    def is_lossy(self) -> bool:
        """Whether its oldest bytes go while nobody takes."""
        return self._lossy or self._sharing > 0

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

    @property
    def _backlog(self) -> int:
        """Bytes that writers wait for somebody to have."""
        written = self._store.written
        if self._is_dropping:
            return written - min((reader.position for reader in self._readers), default=written)
        return written - self._first

    @property
    def _is_unread(self) -> bool:
        """Whether nobody takes."""
        return len(self._readers) == self._sharing

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
        else:
            self._idle.touch()
            if self.is_lossy and self._is_unread:
                self._do_without()
        for reader in self._readers:
            reader.wake()
        for reader in self._taps:
            reader.wake()

    def _do_without(self) -> None:
        """Nobody takes: be patient, or drop what is too much."""
        if self._is_dropping:
            start = self._store.written - self.limit
            if start > self._taken:
                self._dropped += start - self._taken
                self._taken = start
                self._trim()
        elif self._patience is None and not self.closed:
            self._patience = asyncio.get_running_loop().call_later(PATIENCE, self._lose_patience)

    def _lose_patience(self) -> None:
        self._is_dropping = True
        self._do_without()
        self._call_waiting()

    def _regain_patience(self) -> None:
        self._is_dropping = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _tell_dropped(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._store.take(self._taken)
            self._on_dropped(dropped)

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
        if self.is_lossy and self._is_unread:
            self._do_without()

    def close(self) -> None:
        """End the stream: readers get what is left, then the end."""
        if self.closed:
            return
        self.closed = True
        self._regain_patience()
        self._tell_dropped()
        for reader in (*self._readers, *self._taps):
            reader.wake()
        self._call_waiting()

    def discard(self) -> None:
        """Close and forget all bytes."""
        self.close()
        self._first = self._taken = self._store.written
        self._discarded = True
        self._idle.cancel()
        self._store.discard()

    def reader(self, at: int | None = None, *, tap: bool = False, shares: bool = False) -> ChannelReader:
        """A new reader.

        Args:
            at: the position to begin at, as far as it is kept. By default a reader begins with what no other has had,
                a tap with what comes from now on (of a history: with all that is kept).
            tap: take nothing and hold nobody.
            shares: hold writers back, but take nothing.
        """
        if at is None:
            at = self.oldest if self.history else self.written if tap else self.align(self._taken)
        reader = ChannelReader(self, at, shares=shares)
        if tap or self.history:
            self._taps.add(reader)
        else:
            self._join(reader)
        self.move(reader, at)
        return reader

    def _join(self, reader: ChannelReader) -> None:
        self._readers.add(reader)
        if not reader.shares:
            self._regain_patience()
            self._tell_dropped()
            return
        self._sharing += 1
        if self._is_unread:
            self._is_dropping |= self._dropped > 0  # with an earlier Hub, too, nobody took
            if self._waiting or self._is_dropping:
                self._do_without()
                self._call_waiting()

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
        before = reader.position
        reader.position = min(max(position, self.oldest), self.written)
        if reader in self._readers:
            self._at_first = 0  # nobody knows any more who is at the head
            if reader.position < self._first:
                self._first = reader.position
                self._store.hold_from(self._first)
            elif reader.position > before:  # there may be nothing to read until the writers go on
                self._trim()

    def take(self, reader: ChannelReader) -> bytes:
        """The next bytes for a reader, b"" if there are none now."""
        if self._discarded:
            return b""
        if reader not in self._readers:
            return self._copy(reader)
        if not reader.shares:
            self._store.take(self.align(reader.position))  # a reader that asks for more has handed on what came before
        data = self._store.read(reader.position)
        if data:
            self.advance(reader, len(data))
        return data

    def peek(self, position: int) -> bytes:
        """Bytes from a position on, which nobody takes."""
        return b"" if self._discarded else self._store.read(position)

    def advance(self, reader: ChannelReader, size: int) -> None:
        """A reader has taken so many bytes."""
        was_first = reader.position <= self._first
        reader.position += size
        if not reader.shares:
            self._taken = max(self._taken, reader.position)
        # Rescan the readers only when none is left at the head: O(1) per read, however many there are.
        self._at_first -= was_first
        if self._at_first <= 0:
            self._trim()

    def _copy(self, tap: ChannelReader) -> bytes:
        if tap.position < self.oldest:
            tap.missed += self.oldest - tap.position
            tap.position = self.oldest
        data = self._store.read(tap.position)
        tap.position += len(data)
        return data

    def _trim(self) -> None:
        """Make room up to where every reader is, and the next who takes will begin if nobody does now."""
        places = [reader.position for reader in self._readers]
        first = self.align(min([*places, self._taken] if self._is_unread else places))
        self._at_first = sum(reader.position <= first for reader in self._readers)
        if first > self._first:
            self._first = first
            self._store.hold_from(first)
            self._idle.touch()
        if self._waiting and self._backlog * 2 <= self.limit:
            self._call_waiting()

    def _call_waiting(self) -> None:
        while self._waiting and (self.closed or not self.is_full):
            self._waiting.popleft()()

    def leave(self, reader: ChannelReader) -> None:
        """A reader goes."""
        self._taps.discard(reader)
        if reader not in self._readers:
            return
        self._readers.remove(reader)
        if reader.shares:
            self._sharing -= 1
        elif not self._discarded:
            self._store.take(self.align(reader.position))
        if not self.is_lossy:
            self._regain_patience()
        elif self._is_unread and self._waiting:
            self._do_without()
        self._trim()
