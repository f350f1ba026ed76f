"""Connections to the API: requests that are not even HTTP are answered like all others that are wrong."""

from __future__ import annotations

from http import HTTPStatus

import aiohttp.http_exceptions
from aiohttp import web

from transform_hub.hub.api.exchange import error_response
from transform_hub.hub.errors import ApiError


class Connection(web.RequestHandler):
    """One connection of a client."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not read, or could not serve."""
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
    """Makes the connections."""

    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application with connections of ours; aiohttp has no public way to say of which class they are."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = Server
        return server
