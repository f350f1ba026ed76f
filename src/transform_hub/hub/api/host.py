"""Routes of the Hub itself: version, status, config, load, lists and its log."""

from __future__ import annotations

import os
from importlib.metadata import version as package_version
from pathlib import Path

import psutil
from aiohttp import web

from transform_hub.hub.api.exchange import HUB, JSON, json_response, require_acceptable, stream_response
from transform_hub.models import DiskUsage, Entities, LoadCheck, Status, Version

routes = web.RouteTableDef()


STH_VERSION = "1.0.1"
"""The release of STH whose API is served."""

SAFE_OPERATION_LIMIT = 512 * 1024 * 1024
"""Bytes of each disk that do not count as available."""


@routes.get("/api/v1/version")
async def get_version(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    build = f"scramjet-api-client {package_version('scramjet-api-client')}"
    return json_response(Version(service="@scramjet/host", api_version="v1", version=STH_VERSION, build=build))


@routes.get("/api/v1/status")
async def get_status(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    return json_response(Status())


@routes.get("/api/v1/config")
async def get_config(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    hub = request.app[HUB]
    return json_response(hub.config.public(hub.port))


@routes.get("/api/v1/load-check")
async def get_load_check(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    return json_response(load_check([Path("/"), Path.home(), request.app[HUB].sequences.root]))


@routes.get("/api/v1/sequences")
async def list_sequences(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    hub = request.app[HUB]
    return json_response([hub.describe(sequence) for sequence in hub.sequences])


@routes.get("/api/v1/instances")
async def list_instances(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    return json_response([instance.info() for instance in request.app[HUB].instances.values()])


@routes.get("/api/v1/entities")
async def list_entities(request: web.Request) -> web.Response:
    require_acceptable(request, *JSON)
    hub = request.app[HUB]
    entities = Entities(
        sequences=[hub.describe(sequence) for sequence in hub.sequences],
        instances=[instance.info() for instance in hub.instances.values()],
    )
    return json_response(entities)


@routes.get("/api/v1/log")
async def get_log(request: web.Request) -> web.StreamResponse:
    return await stream_response(request, request.app[HUB].log.channel)


def load_check(paths: list[Path]) -> LoadCheck:
    """The machine's load, memory and the disks that ``paths`` are on."""
    one_minute, _, fifteen_minutes = os.getloadavg()
    memory = psutil.virtual_memory()
    disks = []
    for path in paths:
        try:
            usage = psutil.disk_usage(str(path))
        except OSError:
            continue
        disks.append(
            DiskUsage(
                fs=str(path),
                available=usage.free - SAFE_OPERATION_LIMIT,
                size=usage.total,
                used=usage.used,
                use=usage.used / usage.total if usage.total else 0,
            )
        )
    return LoadCheck(
        avg_load=fifteen_minutes,
        current_load=one_minute,
        mem_free=memory.available,
        mem_used=memory.total - memory.available,
        fs_size=disks,
    )
