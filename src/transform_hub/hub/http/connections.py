"""Connections to the API: their limits, and the answers to what is not even HTTP.

    too many connections, or hardly a
    file descriptor left              503, closed
    no whole head of a request        408, closed; HEAD_TIMEOUT after its first byte, or after the connection; of one
                                      that came behind another request up to HEAD_TIMEOUT after that is answered
    a head that is too long           431
    no further request                closed after IDLE_TIMEOUT

A body may take any time, as streams do; only JSON must arrive soon (see ``json_body``).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

import aiohttp.http_exceptions
import msgspec
from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD

from transform_hub.hub import descriptors
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.json import error_response

HEAD_END = b"\r\n\r\n"

HEAD_TIMEOUT = 30.0
"""Seconds that the head of a request may take."""

IDLE_TIMEOUT = 300.0
"""Seconds that a connection is kept between requests; usual proxies close theirs earlier."""


class Connection(web.RequestHandler):
    """One connection of a client."""

    __slots__ = ("_body", "_late")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._body: Any = EMPTY_PAYLOAD  # of the latest request
        self._late: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        server = cast("Server", self._manager)
        if server.is_full:
            self._turn_away(503, "Connection limit reached; try again later")
        elif descriptors.is_among_last(transport.get_extra_info("socket").fileno()):
            self._turn_away(503, "The Hub has hardly any file descriptors left; try again later")
        else:
            self._expect_head()

    def data_received(self, data: bytes) -> None:
        requests, was_in_body, received = self._request_count, not self._body.is_eof(), self._body.total_bytes
        super().data_received(data)
        if self._request_count != requests:
            self._forget_head()
            self._body, was_in_body, received = self._messages[-1][1] if self._messages else EMPTY_PAYLOAD, True, 0
        if self._late is None and (self._waits_for_head or self._has_begun_another(data, received, was_in_body)):
            self._expect_head()

    def _has_begun_another(self, data: bytes, received: int, was_in_body: bool) -> bool:  # noqa: FBT001
        """Whether data that ends a request ends within the head of the next; of its body some was received before.

        aiohttp does not tell. Whoever sends a body that looks like the end of a head is only taken for idle.
        """
        if not self._body.is_eof() or self._buffer_paused:  # then there may be whole requests in it
            return False
        if not was_in_body:
            return bool(data.strip(b"\r\n"))
        size = self._body.total_bytes - received
        behind_head = data[: len(data) - size][-4:]  # short if the end of the head came in two pieces
        return not HEAD_END.endswith((behind_head, data[-4:]))  # the latter: of chunks, too

    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    @property
    def _waits_for_head(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _expect_head(self) -> None:
        self._late = self._loop.call_later(HEAD_TIMEOUT, self._head_is_late)

    def _forget_head(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _head_is_late(self) -> None:
        self._late = None
        if self._request_count == 0 or self._waits_for_head:
            self._turn_away(408, "The head of the request took too long")
        elif self.transport is not None:  # a request before it is still answered
            self._expect_head()

    def _turn_away(self, status: int, error: str) -> None:
        """Answer without having read a request, and hang up."""
        body = msgspec.json.encode({"error": error})
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        if self.transport is not None:
            self.transport.write(head.encode() + body)
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that aiohttp could not parse or serve."""
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log_exception("Serving a request failed", exc_info=exc)
        response = error_response(_refusal(status, exc, message))
        response.force_close()
        return response


def _refusal(status: int, error: BaseException | None, message: str | None) -> ApiError:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ApiError(status, "The Hub failed; its log says why")
    why = (message or "").partition("\n")[0].rstrip(":")
    if isinstance(error, aiohttp.http_exceptions.LineTooLong) or why.startswith("Too many headers"):
        return ApiError(431, "The path or the headers of the request are too long")
    return ApiError(status, f"The request is malformed: {why}")


class Server(web.Server):
    """Makes connections, up to ``max_connections`` at the same time."""

    max_connections: int

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    @property
    def is_full(self) -> bool:
        """Whether there are more connections than allowed."""
        return len(self._connections) > self.max_connections


class Runner(web.AppRunner):
    """Runs an application with our connections; aiohttp has no public way to choose their class."""

    def __init__(self, app: web.Application, *, max_connections: int, **options: Any) -> None:
        super().__init__(app, **options)
        self._max_connections = max_connections

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = Server
        cast("Server", server).max_connections = self._max_connections
        return server
