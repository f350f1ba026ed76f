"""Routes of the Hub itself: version, status, config, load, lists, log and audit."""

from __future__ import annotations

from importlib.metadata import version as package_version

from aiohttp import web

from transform_hub.hub.api.exchange import (
    HUB,
    JSON,
    Routes,
    expect_later,
    json_response,
    require_acceptable,
    stream_response,
)
from transform_hub.hub.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.models import Entities, Status, Version

routes = Routes()


STH_VERSION = "1.0.1"
"""The release of STH whose API is served."""

BUILD = f"scramjet-api-client {package_version('scramjet-api-client')}"


@routes.get("/api/v1/version", scope=Scope.READ)
async def get_version(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    return json_response(Version(service="@scramjet/host", api_version="v1", version=STH_VERSION, build=BUILD))


@routes.get("/api/v1/status", scope=Scope.READ)
async def get_status(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    return json_response(Status())


@routes.get("/api/v1/config", scope=Scope.READ)
async def get_config(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    hub = request.app[HUB]
    return json_response(hub.config.public(hub.port))


@routes.get("/api/v1/load-check", scope=Scope.READ)
async def get_load_check(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    return json_response(request.app[HUB].load_check())


@routes.get("/api/v1/sequences", scope=Scope.READ)
async def list_sequences(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    hub = request.app[HUB]
    return json_response([hub.describe(sequence) for sequence in hub.sequences])


@routes.get("/api/v1/instances", scope=Scope.READ)
async def list_instances(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    return json_response([instance.info() for instance in request.app[HUB].instances.values()])


@routes.get("/api/v1/entities", scope=Scope.READ)
async def list_entities(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    hub = request.app[HUB]
    entities = Entities(
        sequences=[hub.describe(sequence) for sequence in hub.sequences],
        instances=[instance.info() for instance in hub.instances.values()],
    )
    return json_response(entities)


@routes.get("/api/v1/log", scope=Scope.READ)
async def get_log(request: web.Request) -> web.StreamResponse:
    return await stream_response(request, request.app[HUB].log.channel)


@routes.get("/api/v1/audit", scope=Scope.READ)
async def get_audit(request: web.Request) -> web.StreamResponse:
    return await stream_response(request, request.app[HUB].audit.listen())


@routes.post("/api/v1/platform", scope=Scope.READ, expect_handler=expect_later)
@routes.route("*", "/api/v1/cpm", scope=Scope.READ, expect_handler=expect_later)
@routes.route("*", "/api/v1/cpm/{path:.*}", scope=Scope.READ, expect_handler=expect_later)
async def refuse_manager(_: web.Request) -> web.StreamResponse:
    raise ApiError(404, "This Hub is connected to no Manager")
