"""Events of one Instance: the last message of each name, and who waits for the next."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from transform_hub.hub.channel import Channel


class EndedError(Exception):
    """The Instance ended before the event came."""


class Events:
    """The last message per event name; waiters and streams of what comes."""

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}
        self._waiters: dict[str, set[asyncio.Future[Any]]] = {}
        self._streams: dict[str, set[Channel]] = {}
        self._ended = False

    def publish(self, name: str, message: Any) -> None:
        """An event has come."""
        self._last[name] = message
        for waiter in self._waiters.pop(name, ()):
            if not waiter.done():
                waiter.set_result(message)
        for stream in self._streams.get(name, ()):
            stream.feed(msgspec.json.encode(message) + b"\n")

    async def last(self, name: str) -> Any:
        """The last message of that name, or the first one when it comes.

        Raises:
            EndedError: the Instance ended without it.
        """
        return self._last[name] if name in self._last else await self.next(name)

    async def next(self, name: str) -> Any:
        """The next message of that name.

        Raises:
            EndedError: the Instance ended before it came.
        """
        if self._ended:
            raise EndedError
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(name, set())
        waiters.add(waiter)
        try:
            return await waiter
        finally:
            waiters.discard(waiter)

    def subscribe(self, name: str) -> Channel:
        """A channel of all messages of that name from now on, one line of JSON each."""
        stream = Channel(history=True)
        if self._ended:
            stream.close()
        else:
            self._streams.setdefault(name, set()).add(stream)
        return stream

    def unsubscribe(self, name: str, stream: Channel) -> None:
        """Nobody reads the channel any more."""
        self._streams.get(name, set()).discard(stream)

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
