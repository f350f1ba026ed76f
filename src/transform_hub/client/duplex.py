"""Writing to a Hub and reading from it over one request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import aiohttp

from transform_hub.client.body import Chunk, pieces
from transform_hub.client.reader import Reader
from transform_hub.client.transport import Deadline, Transport
from transform_hub.client.upload import Explain, Upload, as_told
from transform_hub.client.waiting import FIRST_PAUSE, LONGEST_PAUSE

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11


class Duplex(Reader):
    r"""Writes to a Hub and reads its answer at the same time.

    It is a :class:`Reader` of the answer. Opening it does not wait for the answer, whose head may come only
    with its first byte. Leaving its ``with`` block after ``close_input`` waits until the Hub has all of the input;
    output that was not read is dropped.

    Example:
        >>> async with instance.inout(content_type="text/plain") as both:
        ...     await both.write("one line\n")
        ...     await both.close_input()
        ...     print(await both.read())
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        headers: Mapping[str, str],
        is_taken: Callable[[], Awaitable[bool]],
        explain: Explain = as_told,
        idle_timeout: Deadline = "default",
    ) -> None:
        super().__init__(transport, path, headers=headers, explain=explain, idle_timeout=idle_timeout)
        self._request.method = "POST"
        self._look = f"{path.rpartition('/')[0]}/output"
        self._is_taken = is_taken
        self._upload: Upload | None = None

    async def __aexit__(self, *failure: object) -> None:
        try:
            if not any(failure) and self._upload is not None and self._upload.is_finished:
                await self._delivered()
        finally:
            await self.close()

    async def write(self, data: Chunk) -> None:
        """Write bytes or text, and wait while the Hub pushes back; raises what :meth:`Writer.write` does."""
        upload = await self._uploading()
        for piece in pieces(data):
            await upload.write(piece)

    async def close_input(self) -> None:
        """End the input; the answer can still be read."""
        (await self._uploading()).finish()

    async def close(self) -> None:
        """Close both directions and the connection at once; input that the Hub does not have yet is lost."""
        await super().close()
        if self._upload is not None:
            self._upload.abort()

    async def _delivered(self) -> None:
        """Wait until the Hub has all of the input: what it has not passed on is lost with the connection."""
        dropping: asyncio.Future[None] | None = None
        pause = FIRST_PAUSE
        try:
            while not (self._ended or self._closed or await self._is_taken()):
                # Output that nobody reads may hold the input up.
                dropping = dropping or asyncio.ensure_future(self._drop())
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
        finally:
            if dropping is not None:
                dropping.cancel()
                await asyncio.gather(dropping, return_exceptions=True)

    async def _drop(self) -> None:
        while await self._next():
            pass

    async def _opened(self) -> Self:
        await self._uploading()
        return self

    async def _uploading(self) -> Upload:
        if self._upload is None:
            if self._closed:
                raise self._error("The stream was closed here")
            path, headers, idle = self._request.path, self._request.headers, self._request.idle_timeout
            self._upload = Upload(self._transport, path, headers, idle_timeout=idle, explain=self._explain)
        await self._upload.accepted(self._transport.timeout)
        return self._upload

    async def _open(self) -> aiohttp.ClientResponse:
        upload = await self._uploading()
        # aiohttp's own timeout starts only when the whole body is sent.
        idle = self._request.idle_timeout
        await asyncio.wait({upload.answer}, timeout=idle)
        if not upload.answer.done():
            await self.close()
            raise await self._explain(self._idle())
        if upload.answer.cancelled() or upload.answer.exception():
            raise await upload.failure()
        return upload.answer.result()

    async def _next(self) -> bytes:
        if self._response is None and not self._closed:
            await super()._opened()
        return await super()._next()
