"""Routes for monitoring: metrics, liveness and readiness."""

from __future__ import annotations

from aiohttp import hdrs, web

from transform_hub.hub.access.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.parts import PARTS
from transform_hub.hub.http.route import Content, route

EXPOSITION = Content("One line per figure.", ("text/plain", "application/openmetrics-text"))
OK = Content("ok", ("text/plain",))


@route("GET /api/v1/metrics", "GET /metrics", scope=Scope.READ, answer=EXPOSITION)
async def get_metrics(request: web.Request) -> web.Response:
    """Figures of the Hub, its Instances, streams and topics, for Prometheus."""
    body, content_type = await request.app[PARTS].metrics.exposition(request.headers.get(hdrs.ACCEPT, ""))
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})


@route("GET /livez", scope=None, answer=OK)
async def get_liveness(_: web.Request) -> web.Response:
    """Whether the Hub answers at all; needs no token."""
    return web.Response(text="ok")


@route("GET /readyz", scope=None, answer=OK, refuses=(503,))
async def get_readiness(request: web.Request) -> web.Response:
    """Whether the Hub takes Sequences and starts Instances: not while it starts up or ends; needs no token."""
    if reason := request.app[PARTS].readiness.reason:
        raise ApiError(503, reason)
    return web.Response(text="ok")
