"""Routes for those who watch the Hub: metrics, liveness and readiness."""

from __future__ import annotations

from aiohttp import hdrs, web

from transform_hub.hub.access.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.exchange import HUB, Routes
from transform_hub.hub.http.operation import Content, operation

routes = Routes()

EXPOSITION = Content("One line per figure.", ("text/plain", "application/openmetrics-text"))
OK = Content("ok", ("text/plain",))


@routes.get("/metrics", scope=Scope.READ)
@routes.get("/api/v1/metrics", scope=Scope.READ)
@operation(answer=EXPOSITION)
async def get_metrics(request: web.Request) -> web.Response:
    """Figures of the Hub, its Instances, streams and topics, for Prometheus."""
    body, content_type = await request.app[HUB].metrics.exposition(request.headers.get(hdrs.ACCEPT, ""))
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})


@routes.get("/livez", scope=None)
@operation(answer=OK)
async def get_liveness(_: web.Request) -> web.Response:
    """Whether the Hub answers at all; needs no token."""
    return web.Response(text="ok")


@routes.get("/readyz", scope=None)
@operation(answer=OK, refuses=(503,))
async def get_readiness(request: web.Request) -> web.Response:
    """Whether the Hub takes Sequences and starts Instances: not while it starts up or ends; needs no token."""
    if reason := request.app[HUB].not_ready:
        raise ApiError(503, reason)
    return web.Response(text="ok")
