"""Events of one Instance: the last message of each name, and who waits for the next."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import msgspec

from transform_hub.hub.channels.channel import Channel

LIMIT = 4 * 1024 * 1024
"""Bytes of last messages that are kept for one Instance."""

T = TypeVar("T")


class EndedError(Exception):
    """The Instance ended before the event came."""


class Events:
    """The last message per event name; waiters and streams of what comes.

    Messages are JSON as it goes out. The last ones are kept for up to ``limit`` bytes of names and messages together;
    beyond that the names that have been silent longest are forgotten.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._last: dict[str, bytes] = {}  # the name that has been silent longest comes first
        self._size = 0
        self._waiters: dict[str, set[asyncio.Future[msgspec.Raw]]] = {}
        self._streams: dict[str, set[Channel]] = {}
        self._ended = False

    def publish(self, name: str, message: Any) -> None:
        """An event has come."""
        data = msgspec.json.encode(message)
        self._keep(name, data)
        for waiter in self._waiters.pop(name, ()):
            if not waiter.done():
                waiter.set_result(msgspec.Raw(data))
        for stream in self._streams.get(name, ()):
            stream.feed(data + b"\n")

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

    def subscribe(self, name: str) -> Channel:
        """A channel of all messages of that name from now on, one line of JSON each.

        A reader that can't keep up misses the oldest, so that it slows nobody and nothing grows.
        """
        stream = Channel(history=True)
        if self._ended:
            stream.close()
        else:
            self._streams.setdefault(name, set()).add(stream)
        return stream

    def unsubscribe(self, name: str, stream: Channel) -> None:
        """Nobody reads the channel any more."""
        _remove(self._streams, name, stream)

    def close(self) -> None:
        """The Instance has ended: no more events, waiters learn of it."""
        self._ended = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(EndedError())
        for streams in self._streams.values():
            for stream in streams:
                stream.close()
        self._waiters.clear()
        self._streams.clear()


def _remove(sets: dict[str, set[T]], name: str, item: T) -> None:
    """Take an item out of the set of a name, and the set away with its last."""
    if name in sets:
        sets[name].discard(item)
        if not sets[name]:
            del sets[name]
