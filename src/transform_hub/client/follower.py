"""Streams that go on when their connection is lost, and say so.

following ──connection lost, or the Hub went away──> waiting ──answer──> catching up ──> Gap, following
    │  ▲                                                │ no answer          │ lost again
    │  │                                                └──> waiting, longer each time
    └──ended, and nothing more is to come──> end

Catching up is leaving out what was seen before, of a log that begins anew for each reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any

from transform_hub.client.readable import Gap, Readable
from transform_hub.client.reader import Reader
from transform_hub.client.replay import Replay
from transform_hub.errors import (
    HubConnectionError,
    InstanceEndedError,
    OverloadedError,
    RequestError,
    ServerError,
    StreamError,
)

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.1
"""Seconds before a lost connection is made again; twice as long before each further try."""

LONGEST_PAUSE = 30.0
"""Seconds that the tries are at most apart."""


class Follower(Readable[Gap]):
    """A log or topic that is followed over lost connections and restarts of the Hub.

    Where a connection was lost its iterators give a :class:`Gap` among the lines, values or chunks. Waiting for
    the Hub has no limit. With an ``idle_timeout`` a connection that is silent for so long counts as lost.

    Args:
        opening: opens the stream anew.
        is_over: whether nothing more is to come after a stream that ended properly.
        replays: whether the stream begins anew each time it is opened.

    Example:
        >>> async for entry in host.get_log(follow=True).json(LogEntry):
        ...     if isinstance(entry, Gap):
        ...         print("something may be missing here:", entry)
        ...     else:
        ...         print(entry.level, entry.msg)
    """

    def __init__(
        self, opening: Callable[[], Reader], *, is_over: Callable[[], Awaitable[bool]], replays: bool = False
    ) -> None:
        self._opening = opening
        self._is_over = is_over
        self._replays = replays
        self._replay = Replay()
        self._rest = b""  # new, read while catching up
        self._reader = opening()
        self._pause = FIRST_PAUSE
        self._closing = asyncio.Event()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._reader!r}>"

    def __await__(self) -> Generator[Any, None, Self]:
        """Open it now, so that an error such as 404 is raised here."""
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        await self._reader
        return self

    async def close(self) -> None:
        """Close the stream and its connection; does nothing if it is closed."""
        self._closing.set()
        await self._reader.close()

    async def _next(self) -> bytes | Gap:
        try:
            if chunk := await self._chunk():
                self._pause = FIRST_PAUSE
                if self._replays:
                    self._replay.note(chunk)
                return chunk
            if await self._is_over():
                return b""
            cause: RequestError = self._error("The Hub ended the stream")
        except RequestError as error:
            if self._closing.is_set() or not _may_pass(error):
                raise
            cause = error
        return await self._again(cause)

    async def _chunk(self) -> bytes:
        rest, self._rest = self._rest, b""
        return rest or await self._reader._next()  # noqa: SLF001 - a follower is a reader after the other

    async def _again(self, cause: RequestError) -> Gap:
        log.warning("Lost a stream that is followed, connecting again: %s", cause)
        begun = time.monotonic()
        tries = 0
        while True:
            await self._wait()
            tries += 1
            self._reader = self._opening()
            try:
                await self._reader
                is_resumed = await self._catch_up()
            except RequestError as error:
                if self._closing.is_set() or not _may_pass(error):
                    raise
            else:
                return Gap(cause=cause, seconds=time.monotonic() - begun, tries=tries, is_resumed=is_resumed)

    async def _catch_up(self) -> bool:
        """Leave out what was seen before; whether the stream goes on where it was lost."""
        self._replay.begin()
        while self._replay.is_resumed is None:
            chunk = await self._chunk()
            if not chunk:
                raise self._error("The Hub ended the stream")
            self._rest = self._replay.new(chunk)
        return self._replay.is_resumed

    async def _wait(self) -> None:
        """Pause; the pauses grow until something is received."""
        pause = self._pause * random.uniform(0.5, 1)  # noqa: S311 - many clients must not come back at once
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._closing.wait(), pause)
        if self._closing.is_set():
            raise self._error("The stream was closed here")

    def _error(self, message: str) -> StreamError:
        return self._reader._error(message)  # noqa: SLF001


def _may_pass(error: RequestError) -> bool:
    """Whether the stream may be there again after a while."""
    if isinstance(error, InstanceEndedError):
        return False
    return isinstance(error, (StreamError, HubConnectionError, OverloadedError, ServerError))
