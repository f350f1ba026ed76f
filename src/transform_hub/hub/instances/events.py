"""Events of one Instance: the last message of each name, and who waits for the next."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

import msgspec

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.channels.memory import LIMIT as STREAM_LIMIT
from transform_hub.hub.channels.reader import ChannelReader

LIMIT = 4 * 1024 * 1024
"""Bytes of last messages that are kept for one Instance."""

PAUSE = 0.02
"""Seconds in which messages are collected, after some were given to readers, for the next."""

PIECE = 64 * 1024
"""Bytes of messages that are not collected any longer."""

T = TypeVar("T")


class EndedError(Exception):
    """The Instance ended before the event came."""


class Events:
    """The last message per event name; waiters and streams of what comes.

    Messages are JSON as it goes out. The last ones are kept for up to ``limit`` bytes of names and messages together;
    beyond that the names that have been silent longest are forgotten.

    Args:
        note: writes an entry into the Instance's log: its level and text.
        limit: in bytes.
    """

    def __init__(self, note: Callable[[str, str], object], limit: int = LIMIT) -> None:
        self._note = note
        self._limit = limit
        self._last: dict[str, bytes] = {}  # the name that has been silent longest comes first
        self._size = 0
        self._waiters: dict[str, set[asyncio.Future[msgspec.Raw]]] = {}
        self._streams: dict[str, _Stream] = {}
        self._ended = False

    def publish(self, name: str, message: Any) -> None:
        """An event has come."""
        data = msgspec.json.encode(message)
        self._keep(name, data)
        for waiter in self._waiters.pop(name, ()):
            if not waiter.done():
                waiter.set_result(msgspec.Raw(data))
        if name in self._streams:
            self._streams[name].feed(data + b"\n")

    def _keep(self, name: str, data: bytes) -> None:
        before = self._last.pop(name, None)
        self._size += len(data) - len(before) if before is not None else len(data) + len(name)
        self._last[name] = data
        while self._size > self._limit and len(self._last) > 1:
            silent = next(iter(self._last))
            self._size -= len(silent) + len(self._last.pop(silent))

    async def last(self, name: str) -> msgspec.Raw:
        """The last message of that name, or the first one when it comes.

        Raises:
            EndedError: the Instance ended without it.
        """
        return msgspec.Raw(self._last[name]) if name in self._last else await self.next(name)

    async def next(self, name: str) -> msgspec.Raw:
        """The next message of that name.

        Raises:
            EndedError: the Instance ended before it came.
        """
        if self._ended:
            raise EndedError
        waiter: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(name, set()).add(waiter)
        try:
            return await waiter
        finally:
            _remove(self._waiters, name, waiter)

    def stream(self, name: str) -> EventStream:
        """All messages of that name from when a reader comes on, one line of JSON each.

        Its readers share one copy. One that can't keep up misses the oldest, which the log tells: so it slows nobody,
        and nothing grows.
        """
        return EventStream(self, name)

    def join(self, name: str) -> _Stream:
        """What a reader of the messages of a name reads."""
        if self._ended:
            return _Stream(name, self._note, closed=True)
        return self._streams.setdefault(name, _Stream(name, self._note))

    def leave(self, name: str) -> None:
        """A reader of the messages of a name has gone."""
        if name in self._streams and not self._streams[name].channel.readers:
            del self._streams[name]

    def close(self) -> None:
        """The Instance has ended: no more events, waiters learn of it."""
        self._ended = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(EndedError())
        for stream in self._streams.values():
            stream.close()
        self._waiters.clear()
        self._streams.clear()


def _remove(sets: dict[str, set[T]], name: str, item: T) -> None:
    """Take an item out of the set of a name, and the set away with its last."""
    if name in sets:
        sets[name].discard(item)
        if not sets[name]:
            del sets[name]


class EventStream:
    """The messages of one name, for readers."""

    def __init__(self, events: Events, name: str) -> None:
        self._events = events
        self._name = name

    @contextlib.asynccontextmanager
    async def reader(self, at: int | None = None, *, tap: bool = False) -> AsyncIterator[ChannelReader]:
        """A reader of what comes from now on, wherever it asks to begin."""
        stream = self._events.join(self._name)
        try:
            with stream.channel.reader(at=stream.channel.written) as reader, stream.watched(reader):
                yield reader
        finally:
            self._events.leave(self._name)


class _Stream:
    """One copy of the latest messages of a name, and who reads it."""

    def __init__(self, name: str, note: Callable[[str, str], object], *, closed: bool = False) -> None:
        self.channel = Channel(history=True)
        self._lines: list[bytes] = []
        self._size = 0
        self._fed = float("-inf")
        if closed:
            self.close()
        self._name = name
        self._note = note
        self._readers: dict[ChannelReader, bool] = {}  # and whether the log has told that it is slow

    @contextlib.contextmanager
    def watched(self, reader: ChannelReader) -> Iterator[None]:
        self._readers[reader] = False
        try:
            yield
        finally:
            del self._readers[reader]
            if missed := reader.missed + max(self.channel.oldest - reader.position, 0):
                self._note(
                    "WARN", f"A reader of the events {self._name!r} has left; it was too slow and missed {missed} bytes"
                )

    def feed(self, line: bytes) -> None:
        """Give a line to the readers: at once, or with those of ``PAUSE`` together, which wakes them once."""
        self._lines.append(line)
        self._size += len(line)
        loop = asyncio.get_running_loop()
        if self._size >= PIECE:
            self._flush()
        elif len(self._lines) == 1:
            loop.call_at(max(loop.time(), self._fed + PAUSE), self._flush)

    def close(self) -> None:
        self._flush()
        self.channel.close()

    def _flush(self) -> None:
        if not self._lines or self.channel.closed:
            return
        lines, self._lines, self._size = b"".join(self._lines), [], 0
        self._fed = asyncio.get_running_loop().time()
        before = self.channel.written
        self.channel.feed(lines)
        if before // STREAM_LIMIT != self.channel.written // STREAM_LIMIT:  # rarely: there may be many readers
            self._tell_slow()

    def _tell_slow(self) -> None:
        for reader, is_told in self._readers.items():
            if not is_told and (reader.missed or reader.position < self.channel.oldest):
                self._readers[reader] = True
                self._note("WARN", f"A reader of the events {self._name!r} is too slow: it misses the oldest messages")
