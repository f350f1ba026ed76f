"""Streams that are read on when their connection is lost, with a gap where something may be missing.

following ──connection lost, or the Hub went away──> waiting ──answer──> catching up ──> Gap or nothing, following
    │  ▲                                                │ no answer          │ lost again
    │  │                                                └──> waiting, longer each time
    └──ended, and nothing more is to come──> end

Catching up is finding out whether the stream resumes where it was lost, see cursor.py: then there is no Gap.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from transform_hub.client.body import Progress
from transform_hub.client.cursor import Cursor
from transform_hub.client.failures import may_pass
from transform_hub.client.readable import Gap, Readable
from transform_hub.client.reader import Reader
from transform_hub.client.transport import Deadline, Transport
from transform_hub.errors import RequestError, StreamError, StreamTimeoutError

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.1
"""Seconds before the first attempt to reconnect; doubled before each further one."""

LONGEST_PAUSE = 30.0
"""Seconds between two attempts at most."""

READ_SIZE = 64 * 1024
"""Bytes to read ahead.

Up to twice as many, received and not yet given on, are lost with a connection; a Hub keeps 256 KiB for that.
"""


async def over() -> bool:
    """Whether nothing more is to come: the end of the stream is its end."""
    return True


class Follower(Readable[Gap]):
    """A stream that is followed over lost connections and restarts of the Hub, or tapped.

    Its iterators give a :class:`Gap` among the lines, values or chunks where something may be missing. With an
    ``idle_timeout``, a connection that is silent for longer counts as lost.

    Attributes:
        received: bytes so far, over all connections.

    Example:
        >>> async for entry in host.get_log(follow=True).json(LogEntry):
        ...     if isinstance(entry, Gap):
        ...         print("something may be missing here:", entry)
        ...     else:
        ...         print(entry.level, entry.msg)
    """

    # is_over tells whether nothing more is to come after a stream that ended properly.
    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        cursor: Cursor | None = None,
        is_over: Callable[[], Awaitable[bool]] = over,
        reconnect_timeout: float | None = None,
        idle_timeout: Deadline = "default",
        progress: Progress | None = None,
    ) -> None:
        self._transport = transport
        self._path = path
        self._headers = headers or {}
        self._cursor = cursor or Cursor()
        self._is_over = is_over
        self._patience = reconnect_timeout
        self._idle_timeout = idle_timeout
        self._progress = progress
        self._reader = self._new_reader()
        self._rest = b""  # new, read while catching up
        self._pause = FIRST_PAUSE
        self._failure: RequestError | None = None  # of the latest try
        self._returning: asyncio.Future[int] | None = None
        self._is_open = self._closed = False
        self.received = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._reader!r}>"

    def __await__(self) -> Generator[Any, None, Self]:
        """Open the stream now, so that an error such as 404 is raised here."""
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        if not self._is_open:
            await self._reader
            await self._begin()
            self._is_open = True
        return self

    async def close(self) -> None:
        """Close the stream and its connection; does nothing if it is closed."""
        self._closed = True
        if self._returning is not None:
            self._returning.cancel()
        await self._reader.close()

    async def _next(self) -> bytes | Gap:
        while True:
            try:
                if chunk := await self._chunk():
                    return self._given(chunk)
                if await self._is_over():
                    return b""
                cause: RequestError = self._error("The Hub ended the stream")
            except RequestError as error:
                cause = self._passing(error)
            if gap := await self._again(cause):
                return gap

    async def _chunk(self) -> bytes:
        rest, self._rest = self._rest, b""
        return rest or await self._reader._next()  # noqa: SLF001 - a follower is a reader after the other

    def _given(self, chunk: bytes) -> bytes:
        self._pause = FIRST_PAUSE
        self._cursor.note(chunk)
        self.received += len(chunk)
        if self._progress is not None:
            self._progress(self.received, None)
        return chunk

    async def _again(self, cause: RequestError) -> Gap | None:
        """Resume after a loss; None if nothing is missing."""
        log.warning("Stream lost, reconnecting: %s", cause)
        lost, tries = time.monotonic(), 0
        is_resumed = None
        while is_resumed is None:
            tries += await self._reopened(cause)
            try:
                is_resumed = await self._catch_up()
            except RequestError as error:
                self._passing(error)
        seconds = time.monotonic() - lost
        if is_resumed:
            log.info("Stream resumed after %.1f s, nothing is missing: %r", seconds, self._reader)
            return None
        return Gap(cause=cause, seconds=seconds, tries=tries, missing=self._cursor.missing)

    async def _reopened(self, cause: RequestError) -> int:
        """Open the stream again; the number of attempts.

        Raises:
            StreamTimeoutError: it took too long.
        """
        self._failure = cause
        self._returning = asyncio.ensure_future(self._open_again())
        try:
            await asyncio.wait({self._returning}, timeout=self._patience)
        finally:
            self._returning.cancel()
            await asyncio.gather(self._returning, return_exceptions=True)
        if self._closed:
            raise self._error("The stream was closed here")
        if self._returning.cancelled():
            message = f"The connection was lost, and reconnecting failed for {self._patience:g} s"
            about = self._reader._about()  # noqa: SLF001
            raise StreamTimeoutError(f"{message}: {self._failure.message}", **about) from self._failure
        try:
            return self._returning.result()
        except RequestError as error:
            raise error from cause

    async def _open_again(self) -> int:
        tries = 0
        while True:
            await asyncio.sleep(self._next_pause())
            tries += 1
            self._reader = self._new_reader()
            try:
                await self._reader
            except RequestError as error:
                self._failure = self._passing(error)
            else:
                return tries

    async def _catch_up(self) -> bool:
        """Skip what was seen before; whether the stream resumes where it was lost."""
        await self._begin()
        while self._cursor.is_resumed is None:
            if chunk := await self._chunk():
                self._rest = self._cursor.new(chunk)
            elif await self._is_over():
                self._rest = self._cursor.end()
            else:
                raise self._error("The Hub ended the stream")
        return self._cursor.is_resumed

    async def _begin(self) -> None:
        try:
            self._cursor.begin(self._reader)
        except RequestError:
            await self._reader.close()
            raise

    def _next_pause(self) -> float:
        """The pauses grow until something is received."""
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return random.uniform(pause / 2, pause)  # noqa: S311 - lest all clients reconnect at once

    def _new_reader(self) -> Reader:
        headers = {**self._headers, **self._cursor.headers}
        idle = self._idle_timeout
        return Reader(
            self._transport,
            self._path,
            headers=headers,
            idle_timeout=idle,
            read_size=READ_SIZE,
            checks_end=self._is_over is over,  # else that is asked in any case
        )

    def _passing(self, error: RequestError) -> RequestError:
        """The error, if the stream may be there again after it; else raises it."""
        if self._closed or not may_pass(error):
            raise error
        return error

    def _error(self, message: str) -> StreamError:
        return self._reader._error(message)  # noqa: SLF001
