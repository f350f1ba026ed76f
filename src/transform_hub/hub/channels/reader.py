"""Readers of a channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol


class Readable(Protocol):
    """What a reader asks of its channel."""

    closed: bool

    def take(self, reader: ChannelReader) -> bytes:
        """The next bytes for a reader, b"" if there are none now."""

    def move(self, reader: ChannelReader, position: int) -> None:
        """Let a reader go on elsewhere."""

    def leave(self, reader: ChannelReader) -> None:
        """A reader goes."""


class ChannelReader:
    """One reader's place in a channel; an async iterator over its bytes and a context manager.

    Attributes:
        position: of the next byte.
        shares: whether it takes nothing, though it is no tap.
        missed: bytes that a tap was too slow for.
        finished: whether it is to end with what there is now.
    """

    def __init__(self, channel: Readable, position: int, *, shares: bool = False) -> None:
        self.channel = channel
        self.position = position
        self.shares = shares
        self.missed = 0
        self.finished = False
        self._waiter: asyncio.Future[None] | None = None

    async def read(self) -> bytes:
        """The next bytes as soon as there are any; ``b""`` at the end of the stream."""
        while True:
            data = self.channel.take(self)
            if data or self.channel.closed or self.finished:
                return data
            await self.wait()

    async def wait(self) -> None:
        """Wait until there may be something to read."""
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
