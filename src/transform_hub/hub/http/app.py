"""The REST API v1 of a Hub: one module of routes per noun.

Rules common to all routes: errors have a JSON body ``{"error": ...}``; ``OPTIONS`` answers anywhere; slashes
too many are ignored; the path may be that of a Hub behind a Manager (``/space/:id/api/v1/sth/:id/api/v1/...``).
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from transform_hub.hub.access.auth import Caller
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.cors import cors_headers, require_page
from transform_hub.hub.http.exchange import HUB, error_response, scope_of
from transform_hub.hub.http.operation import name_of, operation_of
from transform_hub.hub.http.routes import host, instances, monitoring, sequences, topics
from transform_hub.hub.observability.audit import op_code
from transform_hub.hub.observability.requests import Answered, current_request, id_of

if TYPE_CHECKING:
    from transform_hub.hub.server import Hub

log = logging.getLogger(__name__)
access_log = logging.getLogger("transform_hub.hub.access")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_JSON = 64 * 1024 * 1024
"""Bytes that the JSON body of a request may have."""

BASE = "/api/v1"
_BEHIND_MANAGER = re.compile(r"^.*/(?:sth|host)/[^/]+(?=/api/v1(?:/|$))")
_PREFLIGHT = {
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Allow-Methods": "DELETE, POST, PUT, GET, OPTIONS",
}


def make_app(hub: Hub) -> web.Application:
    """The web application that serves a Hub's API."""
    app = web.Application(middlewares=[_common_rules], client_max_size=MAX_JSON)
    app[HUB] = hub
    app.on_response_prepare.append(_add_headers)
    for noun in (host, sequences, instances, topics, monitoring):
        app.add_routes(noun.routes)
    return app


@web.middleware
async def _common_rules(request: web.Request, handler: Handler) -> web.StreamResponse:
    if scope_of(request.match_info.handler) is not None:  # health is told meanwhile
        await request.app[HUB].ready.wait()
    path = canonical_path(request.rel_url.raw_path)
    if path != request.rel_url.raw_path:
        return await _redispatch(request, path)
    declared = operation_of(request.match_info.handler)
    operation = name_of(request.match_info.handler) if declared else "other"
    began = time.monotonic()
    with request.app[HUB].requests.counted(operation, id_of(request.headers.get("X-Request-Id", ""))) as counted:
        try:
            return await _identified(request, handler, path, counted)
        finally:
            if access_log.isEnabledFor(logging.DEBUG):
                _log_access(request, path, counted, 1000 * (time.monotonic() - began))


def _log_access(request: web.Request, path: str, answered: Answered, took: float) -> None:
    """One line of a request that was answered or broke off: never its query, nor any header."""
    access_log.debug(
        "%s %s %s, %d bytes in %d ms%s",
        request.method,
        path,
        answered.status or "broke off",
        request.writer.output_size,
        took,
        f", token {answered.caller!r}" if answered.caller else "",
        extra=_about(request, path),
    )


def _about(request: web.Request, path: str) -> dict[str, str]:
    """The Sequence or Instance of a request, for the log."""
    kind = path.removeprefix(BASE).lstrip("/").partition("/")[0]
    object_id = request.match_info.get("id")
    return {kind: object_id} if object_id and kind in ("sequence", "instance") else {}


async def _identified(request: web.Request, handler: Handler, path: str, answered: Answered) -> web.StreamResponse:
    caller = request.app[HUB].auth.identify(request.headers.get(hdrs.AUTHORIZATION, ""))
    answered.caller = caller.name if caller else None
    code = op_code(request.method, path.removeprefix(BASE))
    if code is None:
        response, complete = await _finished(request, handler, caller)
    else:
        response, complete = await _audited(request, handler, caller, code, answered.id)
    answered.status = response.status if complete else 0
    return response


async def _finished(request: web.Request, handler: Handler, caller: Caller | None) -> tuple[web.StreamResponse, bool]:
    """An answer that has been sent, and whether it was to its end."""
    response = await _answer(request, handler, caller)
    with contextlib.suppress(ConnectionError):  # aiohttp finds out by itself
        await response.prepare(request)
        await response.write_eof()
        return response, True
    return response, False


async def _answer(request: web.Request, handler: Handler, caller: Caller | None) -> web.StreamResponse:
    """What a route answers, or the error that it raises."""
    try:
        require_page(request.app[HUB].config, request.headers)
        if request.method == hdrs.METH_OPTIONS:  # a browser asks before it sends the token
            return web.Response(headers={**_PREFLIGHT, **_allow_token(request)})
        _authorize(request, caller)
        return await handler(request)
    except ApiError as error:
        return error_response(error)
    except web.HTTPClientError as error:
        return error_response(_refused_by_aiohttp(request, error))
    except (HttpProcessingError, web.RequestPayloadError) as error:  # of its body: a wrong chunk, or encoding
        return error_response(
            ApiError(400, f"The body of the request is malformed: {str(error).split(maxsplit=2)[-1]}")
        )
    except Exception:
        if request.writer.output_size or request.transport is None:  # has the answer begun?
            raise
        log.exception("%s %s failed", request.method, request.path, extra=_about(request, request.path))
        return error_response(ApiError(500, "The Hub failed; its log says why"))


async def _audited(
    request: web.Request, handler: Handler, caller: Caller | None, code: int, request_id: str
) -> tuple[web.StreamResponse, bool]:
    audit = request.app[HUB].audit
    entry = audit.begin(
        code,
        object_id=request.match_info.get("id") or request.match_info.get("name") or _object_id(request),
        requestor=_requestor(request, caller),
        request_id=request_id,
        traffic=lambda: (request.content.total_bytes, request.writer.output_size),
    )
    complete = False
    try:
        response, complete = await _finished(request, handler, caller)
    finally:
        audit.end(entry, complete=complete)
    return response, complete


def _object_id(request: web.Request) -> str | None:
    """The id in a path for which there is no route."""
    parts = request.path.removeprefix(BASE).split("/", 3)
    return parts[2] if len(parts) > 2 else None


def _refused_by_aiohttp(request: web.Request, error: web.HTTPClientError) -> ApiError:
    if isinstance(error, (web.HTTPNotFound, web.HTTPMethodNotAllowed)):
        return ApiError(404, f"There is no {request.method} {request.path}")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return ApiError(413, f"The body is larger than {MAX_JSON} bytes")
    return ApiError(error.status, error.reason)


def canonical_path(path: str) -> str:
    """The path of a route, without slashes too many and without the way through a Manager."""
    path = re.sub(r"/{2,}", "/", path)
    path = _BEHIND_MANAGER.sub("", path)
    return path.rstrip("/") or "/"


async def _redispatch(request: web.Request, path: str) -> web.StreamResponse:
    url = request.rel_url.with_path(path, encoded=True).with_query(request.rel_url.query)
    # The body has been asked for already where the client waits for 100 Continue.
    headers = {name: value for name, value in request.headers.items() if name.title() != hdrs.EXPECT}
    # aiohttp has no public way to serve a request under another path without a redirect.
    return await request.app._handle(request.clone(rel_url=url, headers=headers))  # noqa: SLF001


def _allow_token(request: web.Request) -> dict[str, str]:
    """The header for tokens, which a star does not cover."""
    return {"Access-Control-Allow-Headers": "*, Authorization"} if request.app[HUB].config.asks_for_token else {}


def _requestor(request: web.Request, caller: Caller | None) -> str | None:
    """Who is written down as having asked: by token; on a Hub without tokens whom the request names, as in STH."""
    if caller is None:
        return "unknown"
    return caller.name or request.headers.get("x-mw-billable")


def _authorize(request: web.Request, caller: Caller | None) -> None:
    needed = scope_of(request.match_info.handler)
    if needed is None:
        return
    if caller is None:
        raise ApiError(401, "This Hub needs a token: send it as `Authorization: Bearer <token>`")
    if not caller.scope.covers(needed):
        raise ApiError(
            403, f"The token {caller.name!r} is read-only: {request.method} {request.path} takes one of scope full"
        )


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(cors_headers(request.app[HUB].config, request.headers))
    if (answered := current_request()) is not None:
        response.headers["X-Request-Id"] = answered.id
