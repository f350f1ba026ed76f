"""Connections to the API: their limits, and the answers to what is not even HTTP.

    too many connections, or none of
    its file descriptors left         503, closed
    no whole head of a request        408, closed; HEAD_TIMEOUT after its first byte, or after the connection
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

from transform_hub.hub import descriptors
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.json import error_response

HEAD_TIMEOUT = 30.0
"""Seconds that the head of a request may take."""

IDLE_TIMEOUT = 300.0
"""Seconds that a connection is kept between requests; usual proxies close theirs earlier."""


class Connection(web.RequestHandler):
    """One connection of a client."""

    __slots__ = ("_late",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._late: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        server = cast("Server", self._manager)
        if server.is_full:
            self._turn_away(503, "Connection limit reached; try again later")
        elif descriptors.are_scarce():
            self._turn_away(503, "The Hub has hardly any file descriptors left; try again later")
        else:
            self._expect_head()

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._forget_head()
        elif self._late is None and self._waits_for_head:
            self._expect_head()

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
