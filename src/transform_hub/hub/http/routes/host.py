"""Routes of the Hub itself: version, status, config, load, lists, log and audit."""

from __future__ import annotations

import re
from importlib.metadata import version as package_version
from typing import Any

from aiohttp import web

from transform_hub.hub.access.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.exchange import (
    HUB,
    JSON,
    Routes,
    expect_later,
    json_response,
    require_acceptable,
    stream_response,
)
from transform_hub.hub.http.openapi import document
from transform_hub.hub.http.operation import LOG_LINES, Content, operation
from transform_hub.models import Entities, HistoryEntry, InstanceInfo, LoadCheck, SequenceInfo, Status, Version

routes = Routes()

AUDIT_LINES = Content("One `AuditRecord` in JSON per line.")

STH_VERSION = "1.0.1"
"""The release of STH whose API is served."""

BUILD = f"scramjet-api-client {package_version('scramjet-api-client')}"


@routes.get("/api/v1/version", scope=Scope.READ)
@operation(answer=Version)
async def get_version(request: web.Request) -> web.Response:
    """Which API is served, and by what."""
    require_acceptable(request, *JSON)
    return json_response(Version(service="@scramjet/host", api_version="v1", version=STH_VERSION, build=BUILD))


@routes.get("/api/v1/status", scope=Scope.READ)
@operation(answer=Status)
async def get_status(request: web.Request) -> web.Response:
    """Whether the Hub is connected to a Manager."""
    require_acceptable(request, *JSON)
    return json_response(Status())


@routes.get("/api/v1/config", scope=Scope.READ)
@operation(answer=dict[str, Any])
async def get_config(request: web.Request) -> web.Response:
    """The settings of the Hub, without secrets and without paths of its machine."""
    require_acceptable(request, *JSON)
    hub = request.app[HUB]
    return json_response(hub.config.public(hub.port))


@routes.get("/api/v1/load-check", scope=Scope.READ)
@operation(answer=LoadCheck)
async def get_load_check(request: web.Request) -> web.Response:
    """How busy the machine is: load, memory, disks."""
    require_acceptable(request, *JSON)
    return json_response(request.app[HUB].load_check())


@routes.get("/api/v1/sequences", scope=Scope.READ)
@operation(answer=list[SequenceInfo])
async def list_sequences(request: web.Request) -> web.Response:
    """All Sequences."""
    require_acceptable(request, *JSON)
    hub = request.app[HUB]
    return json_response([hub.describe(sequence) for sequence in hub.sequences])


@routes.get("/api/v1/instances", scope=Scope.READ)
@operation(answer=list[InstanceInfo])
async def list_instances(request: web.Request) -> web.Response:
    """All Instances, ended ones included while they are kept."""
    require_acceptable(request, *JSON)
    return json_response([instance.info() for instance in request.app[HUB].instances.values()])


@routes.get("/api/v1/history", scope=Scope.READ)
@operation(answer=list[HistoryEntry], refuses=(400,))
async def list_history(request: web.Request) -> web.Response:
    """Instances that have ended, the latest first, also those of earlier runs of the Hub.

    `?sequence=` takes those of a Sequence, by its id or name; `?limit=` (100) and `?offset=` (0) a part of them.
    """
    require_acceptable(request, *JSON)
    limit, offset = _number(request, "limit", 100), _number(request, "offset", 0)
    return json_response(request.app[HUB].history.entries(request.query.get("sequence"), limit=limit, offset=offset))


def _number(request: web.Request, name: str, otherwise: int) -> int:
    given = request.query.get(name, str(otherwise))
    if not re.fullmatch(r"\d{1,9}", given, re.ASCII):
        raise ApiError(400, f"Invalid {name} format: a number from 0 on, not {given!r}")
    return int(given)


@routes.get("/api/v1/entities", scope=Scope.READ)
@operation(answer=Entities)
async def list_entities(request: web.Request) -> web.Response:
    """All Sequences and Instances."""
    require_acceptable(request, *JSON)
    hub = request.app[HUB]
    entities = Entities(
        sequences=[hub.describe(sequence) for sequence in hub.sequences],
        instances=[instance.info() for instance in hub.instances.values()],
    )
    return json_response(entities)


@routes.get("/api/v1/log", scope=Scope.READ)
@operation(answer=LOG_LINES, is_endless=True)
async def get_log(request: web.Request) -> web.StreamResponse:
    """The log of the Hub: its latest megabyte, then what comes."""
    return await stream_response(request, request.app[HUB].log.channel)


@routes.get("/api/v1/audit", scope=Scope.READ)
@operation(answer=AUDIT_LINES, is_endless=True)
async def get_audit(request: web.Request) -> web.StreamResponse:
    """The audit: its latest megabyte, then what comes.

    There are heartbeats in it while somebody reads.
    """
    return await stream_response(request, request.app[HUB].audit.listen())


@routes.post("/api/v1/platform", scope=Scope.READ, expect_handler=expect_later)
@routes.route("*", "/api/v1/cpm", scope=Scope.READ, expect_handler=expect_later)
@routes.route("*", "/api/v1/cpm/{path:.*}", scope=Scope.READ, expect_handler=expect_later)
@operation(refuses=(404,))
async def refuse_manager(_: web.Request) -> web.StreamResponse:
    """What a Hub that is connected to a Manager serves: this one refuses it."""
    raise ApiError(404, "This Hub is connected to no Manager")


@routes.get("/api/v1/openapi.json", scope=Scope.READ)
@operation(answer=dict[str, Any])
async def get_openapi(request: web.Request) -> web.Response:
    """This description of the API, in OpenAPI 3.1."""
    require_acceptable(request, *JSON)
    return json_response(document(request.app, version=STH_VERSION))
