"""Routes of the Hub itself: version, status, config, load, lists, log and audit."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version as package_version
from typing import Any

import msgspec
from aiohttp import web

from transform_hub.hub.access.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.json import json_response
from transform_hub.hub.http.lists import LIMIT, OFFSET, encoded_list, list_response
from transform_hub.hub.http.openapi import document
from transform_hub.hub.http.parts import PARTS
from transform_hub.hub.http.route import LOG_LINES, Content, Query, route
from transform_hub.hub.http.streaming import stream_response
from transform_hub.hub.instances.instance import Instance
from transform_hub.models import Entities, HistoryEntry, InstanceInfo, LoadCheck, SequenceInfo, Status, Version

HISTORY = 100
"""Entries of the history that who names no limit gets."""

AUDIT_LINES = Content("One `AuditRecord` in JSON per line.")

STH_VERSION = "1.0.1"
"""The release of STH whose API is served."""

BUILD = f"scramjet-api-client {package_version('scramjet-api-client')}"


@route("GET /api/v1/version", scope=Scope.READ, answer=Version)
async def get_version(_: web.Request) -> web.Response:
    """Which API is served, and by what."""
    return json_response(Version(service="@scramjet/host", api_version="v1", version=STH_VERSION, build=BUILD))


@route("GET /api/v1/status", scope=Scope.READ, answer=Status)
async def get_status(_: web.Request) -> web.Response:
    """Whether the Hub is connected to a Manager."""
    return json_response(Status())


@route("GET /api/v1/config", scope=Scope.READ, answer=dict[str, Any])
async def get_config(request: web.Request) -> web.Response:
    """The settings of the Hub, without secrets and without paths of its machine."""
    return json_response(request.app[PARTS].config())


@route("GET /api/v1/load-check", scope=Scope.READ, answer=LoadCheck)
async def get_load_check(request: web.Request) -> web.Response:
    """How busy the machine is: load, memory, disks."""
    return json_response(request.app[PARTS].load_check())


@route("GET /api/v1/sequences", scope=Scope.READ, answer=list[SequenceInfo], query=(LIMIT, OFFSET))
async def list_sequences(request: web.Request) -> web.Response:
    """All Sequences."""
    parts = request.app[PARTS]
    return await list_response(request, [*parts.sequences], parts.catalog.describe_if_kept)


@route("GET /api/v1/instances", scope=Scope.READ, answer=list[InstanceInfo], query=(LIMIT, OFFSET))
async def list_instances(request: web.Request) -> web.Response:
    """All Instances, ended ones included while they are kept."""
    return await list_response(request, [*request.app[PARTS].instances.values()], _info)


def _info(instance: Instance) -> InstanceInfo | None:
    return None if instance.status == "gone" else instance.info()


@route(
    "GET /api/v1/history", scope=Scope.READ, answer=list[HistoryEntry],
    query=(
        Query("sequence", "The id or name of a Sequence, for its Instances alone."),
        dataclasses.replace(LIMIT, description=f"Items at most; {HISTORY} by default."),
        OFFSET,
    ),
)  # fmt: skip
async def list_history(request: web.Request) -> web.Response:
    """Instances that have ended, the latest first, also those of earlier runs of the Hub."""
    entries = request.app[PARTS].history.entries(request.query.get("sequence"))
    return await list_response(request, entries, lambda entry: entry, limit=HISTORY)


@route("GET /api/v1/entities", scope=Scope.READ, answer=Entities)
async def list_entities(request: web.Request) -> web.Response:
    """All Sequences and Instances."""
    parts = request.app[PARTS]
    sequences = await encoded_list(parts.turns, [*parts.sequences], parts.catalog.describe_if_kept)
    instances = await encoded_list(parts.turns, [*parts.instances.values()], _info)
    return json_response({"sequences": msgspec.Raw(sequences), "instances": msgspec.Raw(instances)})


@route("GET /api/v1/log", scope=Scope.READ, answer=LOG_LINES, is_endless=True)
async def get_log(request: web.Request) -> web.StreamResponse:
    """The log of the Hub: its latest megabyte, then what comes."""
    return await stream_response(request, request.app[PARTS].log.channel)


@route("GET /api/v1/audit", scope=Scope.READ, answer=AUDIT_LINES, is_endless=True)
async def get_audit(request: web.Request) -> web.StreamResponse:
    """The audit: its latest megabyte, then what comes.

    There are heartbeats in it while somebody reads.
    """
    return await stream_response(request, request.app[PARTS].audit.listen())


@route("* /api/v1/cpm/{path:.*}", "* /api/v1/cpm", "POST /api/v1/platform", scope=Scope.READ, refuses=(404,))
async def refuse_manager(_: web.Request) -> web.StreamResponse:
    """What a Hub that is connected to a Manager serves: this one refuses it."""
    raise ApiError(404, "This Hub is connected to no Manager")


@route("GET /api/v1/openapi.json", scope=Scope.READ, answer=dict[str, Any])
async def get_openapi(request: web.Request) -> web.Response:
    """This description of the API, in OpenAPI 3.1."""
    return json_response(document(request.app, version=STH_VERSION))
