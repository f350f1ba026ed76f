"""The REST API v1 of a Hub: one module of routes per noun, and the rules common to all of them.

Errors have a JSON body ``{"error": ...}``; ``OPTIONS`` answers anywhere; surplus slashes are ignored; the path may be
that of a Hub behind a Manager (``/space/:id/api/v1/sth/:id/api/v1/...``).

    any route   ─> canonical path ─> page allowed? ─> OPTIONS ─> token ─> handler ─> answer or error
    counted in the metrics for all of that; in the audit as well if its path begins with a noun of KINDS
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from transform_hub.hub.access.auth import Caller, Scope
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.json import error_response
from transform_hub.hub.http.parts import PARTS, Parts
from transform_hub.hub.http.route import Route, route_of
from transform_hub.hub.http.routes import host, instances, monitoring, sequences, topics
from transform_hub.hub.observability.requests import Answered, current_request, id_of
from transform_hub.protocol import MESSAGE_LIMIT

log = logging.getLogger(__name__)
access_log = logging.getLogger("transform_hub.hub.access")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROUTES = [
    each
    for noun in (host, sequences, instances, topics, monitoring)
    for each in vars(noun).values()
    if isinstance(each, Route)
]

BASE = "/api/v1"
_BEHIND_MANAGER = re.compile(r"^.*/(?:sth|host)/[^/]+(?=/api/v1(?:/|$))")
_PREFLIGHT = {
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Allow-Methods": "DELETE, POST, PUT, GET, OPTIONS",
}

KINDS = {"sequence": 0, "instance": 1, "topic": 2}
VERBS = {"POST": 1, "GET": 2, "PUT": 3, "DELETE": 4}
OPERATIONS = {word: number for each in ROUTES for word, number in each.audit.items()} | {"monitoring": 5}
"""Numbers by words of paths; ``monitoring`` is STH's, and no route of ours."""


def make_app(parts: Parts, *, json_limit: int = MESSAGE_LIMIT) -> web.Application:
    """The web application that serves a Hub's API; ``json_limit`` is of the body of a request, in bytes."""
    app = web.Application(middlewares=[_common_rules], client_max_size=json_limit)
    app[PARTS] = parts
    app.on_response_prepare.append(_add_headers)
    for route in ROUTES:
        route.register(app.router)
    return app


@web.middleware
async def _common_rules(request: web.Request, handler: Handler) -> web.StreamResponse:
    parts, route = request.app[PARTS], route_of(request.match_info.handler)
    if route is None or route.scope is not None:  # health is served while the Hub starts
        await parts.readiness.can_answer.wait()
    path = canonical_path(request.rel_url.raw_path)
    if path != request.rel_url.raw_path:
        return await _redispatch(request, path)
    began = time.monotonic()
    name, is_drained = (route.name, route.is_drained) if route else ("other", False)
    request_id = id_of(request.headers.get("X-Request-Id", ""))
    with parts.requests.counted(name, request_id, is_drained=is_drained) as counted:
        try:
            return await _identified(request, handler, path, counted)
        finally:
            if access_log.isEnabledFor(logging.DEBUG):
                _log_access(request, path, counted, 1000 * (time.monotonic() - began))


def _log_access(request: web.Request, path: str, answered: Answered, took: float) -> None:
    """Log a request that was answered or broke off: never its query, nor any header."""
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
    caller = request.app[PARTS].authentication.identify(request.headers.get(hdrs.AUTHORIZATION, ""))
    answered.caller = caller.name if caller else None
    code = op_code(request.method, path.removeprefix(BASE))
    if code is None:
        response, complete = await _finished(request, handler, caller)
    else:
        response, complete = await _audited(request, handler, caller, code, answered.id)
    answered.status = response.status if complete else 0
    return response


def op_code(method: str, path: str) -> int | None:
    """The code of a request in the audit, by its path below the base of the API; None if it is not audited.

    Also of a path without a route, and of a method that it does not have: the audit shows what was tried.
    """
    kind, *rest = path.lstrip("/").split("/")
    if kind not in KINDS or method not in VERBS:
        return None
    operation = next((OPERATIONS[part] for part in rest[1:] if part in OPERATIONS), 0)
    return 10000 + 1000 * KINDS[kind] + 100 * VERBS[method] + operation


async def _finished(request: web.Request, handler: Handler, caller: Caller | None) -> tuple[web.StreamResponse, bool]:
    """The answer, sent, and whether it got to its end."""
    response = await _answer(request, handler, caller)
    with contextlib.suppress(ConnectionError):  # aiohttp finds out by itself
        await response.prepare(request)
        await response.write_eof()
        return response, True
    return response, False


async def _answer(request: web.Request, handler: Handler, caller: Caller | None) -> web.StreamResponse:
    try:
        route = route_of(request.match_info.handler)
        request.app[PARTS].cors.require_page(request.headers, takes=bool(route and route.scope is Scope.FULL))
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
    except Exception as failure:
        if request.writer.output_size or request.transport is None:  # has the answer begun?
            raise
        return error_response(_failed(request, failure))


def _failed(request: web.Request, failure: Exception) -> ApiError:
    """The answer to what the Hub could not do: its machine, or disk, has no room for it, or it is a defect."""
    words, about = (request.method, request.path, failure), _about(request, request.path)
    number = failure.errno if isinstance(failure, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        log.warning("%s %s: %s", *words, extra=about)
        return ApiError(507, "The Hub's disk is full")
    if number in (errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        log.warning("%s %s: %s", *words, extra=about)
        return ApiError(503, f"The Hub can't do this now: {os.strerror(number)}")
    log.error("%s %s failed: %s", *words, extra=about, exc_info=failure)
    return ApiError(500, "The Hub failed; its log says why")


async def _audited(
    request: web.Request, handler: Handler, caller: Caller | None, code: int, request_id: str
) -> tuple[web.StreamResponse, bool]:
    audit = request.app[PARTS].audit
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
        return ApiError(413, f"The body is larger than {request.client_max_size} bytes, the limit for JSON")
    return ApiError(error.status, error.reason)


def canonical_path(path: str) -> str:
    """The path of a route, without surplus slashes and without the way through a Manager."""
    path = re.sub(r"/{2,}", "/", path)
    path = _BEHIND_MANAGER.sub("", path)
    return path.rstrip("/") or "/"


async def _redispatch(request: web.Request, path: str) -> web.StreamResponse:
    url = request.rel_url.with_path(path, encoded=True).with_query(request.rel_url.query)
    # A client that waits for 100 Continue has been asked for its body already.
    # clone() takes text only.
    headers = {
        name: value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for name, value in request.headers.items()
        if name.title() != hdrs.EXPECT
    }
    # aiohttp has no public way to serve a request under another path without a redirect.
    return await request.app._handle(request.clone(rel_url=url, headers=headers))  # noqa: SLF001


def _allow_token(request: web.Request) -> dict[str, str]:
    # A star does not cover this header.
    is_required = request.app[PARTS].authentication.is_required
    return {"Access-Control-Allow-Headers": "*, Authorization"} if is_required else {}


def _requestor(request: web.Request, caller: Caller | None) -> str | None:
    """The name in the audit: that of the token; on a Hub without tokens, as in STH, the one the request gives."""
    if caller is None:
        return "unknown"
    return caller.name or request.headers.get("x-mw-billable")


def _authorize(request: web.Request, caller: Caller | None) -> None:
    route = route_of(request.match_info.handler)
    needed = route.scope if route else Scope.READ  # every token may learn that there is no such route
    if needed is None:
        return
    if caller is None:
        raise ApiError(401, "This Hub needs a token: send it as `Authorization: Bearer <token>`")
    if not caller.scope.covers(needed):
        raise ApiError(
            403, f"The token {caller.name!r} is read-only: {request.method} {request.path} needs one of scope full"
        )


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(request.app[PARTS].cors.headers(request.headers))
    if (answered := current_request()) is not None:
        response.headers["X-Request-Id"] = answered.id
