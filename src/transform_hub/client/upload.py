"""A request whose body is written piece by piece.

    waiting ──100 Continue──> open ──finish()──> finished ──answer read──> done
       │                       │
       └───────────────────────┴── error answer, connection lost, abort() ──> broken

The task that calls ``write`` writes straight to the connection and waits while that is full: nothing is buffered here.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from transform_hub.client.failures import FAILURES
from transform_hub.client.request import Request, StreamBody
from transform_hub.client.transport import Transport
from transform_hub.errors import HubConnectionError, HubTimeoutError, RequestError, StreamError

GRACE = 1.0
"""Seconds to wait for the answer of a lost connection, or for the 100 Continue of an early answer."""

Explain = Callable[[StreamError], Awaitable[StreamError]]
"""Finds out why a stream broke off, e.g. because its Instance ended."""


async def as_told(error: StreamError) -> StreamError:
    """The error as it is."""
    return error


class Upload:
    """One request with a body that is written piece by piece.

    Args:
        transport: carries the request.
        path: below the API's base.
        headers: besides those of all requests.
        method: POST or PUT.
        length: bytes that will be written; None if that is not known.
        idle_timeout: seconds of silence of the answer before giving up.
        explain: finds out why the stream broke off.
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        headers: Mapping[str, str],
        *,
        method: str = "POST",
        length: int | None = None,
        idle_timeout: float | None = None,
        explain: Explain = as_told,
    ) -> None:
        if length:  # with none at all a server answers before it asks for the body
            headers = {**headers, "Content-Length": str(length)}
        self._body = _OpenBody()
        self._length = length
        self._written = 0
        self._explain = explain
        self._failure: RequestError | None = None
        request = Request(method, path, headers, self._body, idle_timeout)
        self.request = transport.describe(request)
        self.answer = asyncio.ensure_future(transport.open(request))
        # Mark its exception as retrieved: nobody may be left to ask for it.
        self.answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())
        self._finalizer = weakref.finalize(self, _break_off, self._body, self.answer)
        self._finalizer.atexit = False

    @property
    def is_finished(self) -> bool:
        """Whether the body is complete."""
        return self._body.end.done() and not self._body.end.cancelled()

    @property
    def is_broken(self) -> bool:
        """Whether nothing more can be written."""
        if self.answer.done() and (self.answer.cancelled() or self.answer.exception()):
            return True
        return self._body.is_lost

    async def accepted(self, limit: float | None = None) -> None:
        """Wait until the Hub asks for the body; abort if it does not.

        Args:
            limit: seconds to wait; None is no limit.

        Raises:
            HubResponseError: the Hub refuses it.
            HubTimeoutError: the Hub did not ask in time.
            HubConnectionError: no Hub answered.
        """
        if self._body.opened.done():
            return
        try:
            await self._wait_for_acceptance(limit)
        except BaseException:
            self.abort()
            raise

    async def _wait_for_acceptance(self, limit: float | None) -> None:
        opened = self._body.opened
        both: set[asyncio.Future[Any]] = {opened, self.answer}
        done, _ = await asyncio.wait(both, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            raise HubTimeoutError(f"The Hub did not take the stream within {limit:g} s", **self.request)
        if opened.done():
            return
        if self.answer.cancelled():
            raise await self.failure()
        self.answer.result()
        # 100 Continue and the answer's head may arrive together.
        await asyncio.wait({opened}, timeout=GRACE)
        if not opened.done():
            message = "The Hub, or something on the way to it, answered without asking for the data"
            raise StreamError(message, **self.request)

    async def write(self, piece: bytes | memoryview) -> None:
        """Write a piece, and wait while the Hub pushes back.

        Raises:
            StreamError, HubResponseError: the Hub takes no more.
        """
        self._written += len(piece)
        if self._length is not None and self._written > self._length:
            raise self._wrong_length()
        if self._written == self._length:
            self.finish()  # the Hub has all that was declared, and may answer before we call it the end
        # When the connection is lost the write fails, or returns, if it was waiting.
        with contextlib.suppress(*FAILURES):
            if not self.is_broken:
                await self._body.opened.result().write(piece)
        if self.is_broken:
            raise await self.failure()

    def finish(self) -> None:
        """End the body.

        Raises:
            StreamError: it is shorter than declared.
        """
        if self._length is not None and self._written != self._length:
            raise self._wrong_length()
        if not self._body.end.done():
            self._body.end.set_result(None)

    async def confirmed(self) -> bytes:
        """Wait until the Hub has all of the body.

        Returns:
            The body of the answer.

        Raises:
            StreamError, HubResponseError: the Hub did not take all of it.
        """
        await asyncio.wait({self.answer})
        if self.is_broken:
            raise await self.failure()
        answer = self.answer.result()
        with contextlib.suppress(*FAILURES):
            content = await answer.read()
            self._finalizer.detach()
            return content
        raise await self.failure()

    def abort(self) -> None:
        """Drop the connection, so that the Hub does not take the body for complete."""
        self._finalizer()

    async def failure(self) -> RequestError:
        """Why it is broken; always the same error."""
        if self._failure is None:
            self._failure = await self._find_failure()
            self.abort()
        return self._failure

    async def _find_failure(self) -> RequestError:
        if not self._finalizer.alive:
            return StreamError("The stream was closed here", **self.request)
        # If the Hub has answered with an error, that says more than the lost connection.
        await asyncio.wait({self.answer}, timeout=GRACE)
        error = self.answer.exception() if self.answer.done() and not self.answer.cancelled() else None
        if isinstance(error, RequestError) and not isinstance(error, HubConnectionError):
            return error
        detail = f": {error.message}" if isinstance(error, RequestError) else ""
        failure = StreamError(f"The connection was lost before the Hub had everything{detail}", **self.request)
        failure.__cause__ = error
        return await self._explain(failure)

    def _wrong_length(self) -> StreamError:
        self.abort()
        return StreamError("The data changed its size while it was sent", **self.request)


class _OpenBody(StreamBody):
    """A body that hands over the connection's writer, and ends when told."""

    def __init__(self) -> None:
        super().__init__(None)
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[AbstractStreamWriter] = loop.create_future()
        self.end: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.WriteTransport | None = None

    @property
    def has_begun(self) -> bool:
        return self.opened.done()

    @property
    def is_lost(self) -> bool:
        if self.end.done() or not self.opened.done():
            return self.end.cancelled()
        return self._transport is None or self._transport.is_closing()

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Wait for the end while others write."""
        self.opened.set_result(writer)
        self._transport = writer.transport  # aiohttp forgets it when it closes it, with what it has to send
        try:
            await self.end
        except asyncio.CancelledError:
            # The answer was complete before the body was. close() would first try to send what the transport
            # buffers, for ever if the Hub does not read on.
            self.drop()
            raise

    def drop(self) -> None:
        """Drop the connection; only while it is ours: a pooled one soon serves another request."""
        if self._transport is not None:
            self._transport.abort()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("The body is not known in advance")


def _break_off(body: _OpenBody, answer: asyncio.Future[aiohttp.ClientResponse]) -> None:
    if answer.get_loop().is_closed():
        return
    is_whole = body.end.done() and not body.end.cancelled()
    if not answer.done():
        body.drop()
        answer.cancel()
    elif answer.cancelled() or answer.exception():
        if not is_whole:
            body.drop()
    elif not (is_whole and answer.result().content.is_eof()):
        body.drop()
        answer.result().close()
