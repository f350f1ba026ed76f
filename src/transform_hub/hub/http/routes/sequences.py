"""Routes of Sequences: upload, look, start, delete."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any, TypeVar

from aiohttp import web

from transform_hub.errors import PackageError
from transform_hub.hub.access.auth import Scope
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.content_encoding import decoded_package, encoding_of
from transform_hub.hub.http.json import body_as, json_response
from transform_hub.hub.http.lists import LIMIT, OFFSET, list_response
from transform_hub.hub.http.parts import PARTS
from transform_hub.hub.http.route import Content, Header, ask_for_body, route
from transform_hub.hub.http.uploads import sent_chunks
from transform_hub.hub.observability.audit import SEQUENCE_CREATED, SEQUENCE_DELETED
from transform_hub.hub.sequences.files import too_large
from transform_hub.models import InstanceStarted, SequenceCreated, SequenceInfo, StartRequest
from transform_hub.models.rules import BINARY

log = logging.getLogger(__name__)

PACKAGE = Content("A tar.gz with a package.json at its top.")
FORCE = Header("x-seq-kill-inst", "Any value: kill its Instances first.")

MAX_NAMES, MAX_NAME = 10, 100
"""Names of unknown fields that are told, and letters of each."""

T = TypeVar("T")


# A package may have a scope in its name, whose slash not every client escapes.
ID = "{id:[^/]+|@[^/]+/[^/]+}"


@route("POST /api/v1/sequence", scope=Scope.FULL, body=PACKAGE, answer=SequenceCreated, refuses=(413, 422, 503, 507))
async def send_sequence(request: web.Request) -> web.Response:
    """Send a Sequence."""
    parts = request.app[PARTS]
    parts.readiness.require_accepting()
    _check_package(request)
    with _refusals():
        sequence = await parts.sequences.add(_received(request))
    log.info("Sequence %s (%s) was sent", sequence.id, sequence.config.name, extra={"sequence": sequence.id})
    parts.audit.note(SEQUENCE_CREATED, sequence.id)
    return json_response(SequenceCreated(id=sequence.id))


@route(
    f"PUT /api/v1/sequence/{ID}", scope=Scope.FULL, body=PACKAGE, answer=SequenceCreated,
    refuses=(404, 409, 413, 422, 503, 507),
)  # fmt: skip
async def replace_sequence(request: web.Request) -> web.Response:
    """Put a package in the place of a Sequence, whole or not at all."""
    parts = request.app[PARTS]
    parts.readiness.require_accepting()
    sequence = _sequence(request, "Sequence with id: {} not found")
    _check_package(request)
    with _refusals():
        sequence = await parts.catalog.replace(sequence, _received(request))
    log.info("Sequence %s (%s) was replaced", sequence.id, sequence.config.name, extra={"sequence": sequence.id})
    return json_response(SequenceCreated(id=sequence.id))


def _check_package(request: web.Request) -> None:
    """Refuse what can't be a package before its body is sent."""
    if request.content_type != BINARY:
        message = "A Sequence is sent as application/octet-stream"
        raise ApiError(415, message, reason="Invalid content-type")
    limits = request.app[PARTS].sequences.limits
    if (request.content_length or 0) > limits.max_archive_bytes:
        raise refusal(too_large(limits))


async def _received(request: web.Request) -> AsyncIterator[bytes]:
    """The package in a request's body."""
    encoding = encoding_of(request.headers)
    await ask_for_body(request)
    sent = sent_chunks(request)
    async for chunk in sent if encoding is None else decoded_package(sent, encoding):
        yield chunk


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Turn errors of packages into answers."""
    try:
        yield
    except PackageError as error:
        raise refusal(error) from None


@route(
    f"GET /api/v1/sequence/{ID}/instances", scope=Scope.READ, answer=list[str], refuses=(404, 409),
    query=(LIMIT, OFFSET), audit={"instances": 16},
)  # fmt: skip
async def list_instances(request: web.Request) -> web.Response:
    """The ids of a Sequence's Instances."""
    instances = request.app[PARTS].instances.of(_sequence(request).id)
    return await list_response(request, instances, lambda instance: instance.id)


@route(f"GET /api/v1/sequence/{ID}", scope=Scope.READ, answer=SequenceInfo, refuses=(404, 409))
async def get_sequence(request: web.Request) -> web.Response:
    """A Sequence, by its id or by a name that only it has."""
    return json_response(request.app[PARTS].catalog.describe(_sequence(request)))


@route(f"DELETE /api/v1/sequence/{ID}", scope=Scope.FULL, answer=SequenceCreated, refuses=(404, 409), headers=(FORCE,))
async def delete_sequence(request: web.Request) -> web.Response:
    """Delete a Sequence."""
    parts = request.app[PARTS]
    sequence = _sequence(request, "The sequence {} does not exist.")
    force = bool(request.headers.get("x-seq-kill-inst"))
    try:
        await to_the_end(parts.catalog.remove(sequence, force=force))
    except OSError as error:
        raise ApiError(500, f"Error removing Sequence: {error.strerror}") from error
    log.info("Sequence %s was deleted", sequence.id, extra={"sequence": sequence.id})
    parts.audit.note(SEQUENCE_DELETED, sequence.id)
    return json_response(SequenceCreated(id=sequence.id))


@route(
    f"POST /api/v1/sequence/{ID}/start", scope=Scope.FULL, body=StartRequest, body_required=False,
    answer=InstanceStarted, refuses=(400, 404, 409, 419, 503), audit={"start": 17},
)  # fmt: skip
async def start_sequence(request: web.Request) -> web.Response:
    """Start an Instance.

    Answered when it is running, has failed in its own code, or has been loading for five seconds.
    """
    parts = request.app[PARTS]
    parts.readiness.require_accepting()
    unknown: list[str] = []
    start = await body_as(request, StartRequest, lenient=True, unknown=unknown)  # as in STH: its client sends null
    order = parts.instances.order(_sequence(request, "Not Found"), start)
    instance = await to_the_end(parts.instances.start(order))
    about = {"instance": instance.id, "sequence": order.sequence.id}
    log.info("Instance %s of Sequence %s was started", instance.id, order.sequence.id, extra=about)
    if unknown:  # which STH takes, too, and hands to the runner
        ignored = f"The start has fields that are unknown and ignored: {_some(unknown)}"
        log.warning("Instance %s: %s", instance.id, ignored, extra=about)
        instance.streams.note("WARN", ignored)
    return json_response(InstanceStarted(id=instance.id, message=f"Sequence {instance.id} starting"))


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name[:MAX_NAME]) for name in sorted(names)[:MAX_NAMES])
    return shown if len(names) <= MAX_NAMES else f"{shown} and {len(names) - MAX_NAMES} more"


def refusal(error: PackageError) -> ApiError:
    """The answer to a package that is refused, in the shapes of STH."""
    if error.code == "too-large":
        return ApiError(413, str(error))
    answers: dict[str, Any] = {
        "not-an-archive": {"code": "PRERUNNER_ERROR", "data": "Invalid pkg tar.gz archive", "message": str(error)},
        "no-package-json": {
            "errno": -2,
            "code": "ENOENT",
            "syscall": "open",
            "path": "package.json",
            "message": str(error),
        },
    }
    return ApiError(422, answers.get(error.code, str(error)))


def _sequence(request: web.Request, missing: str = "Sequence {} not found") -> SequenceInfo:
    """The Sequence that the path names, by its id or by a name that only it has."""
    name = request.match_info["id"]
    found = request.app[PARTS].sequences.find(name)
    if not found:
        raise ApiError(404, missing.format(name))
    if len(found) > 1:
        ids = ", ".join(sequence.id for sequence in found)
        raise ApiError(409, f"{len(found)} Sequences are named {name}: say which one by its id: {ids}")
    return found[0]


async def to_the_end(call: Awaitable[T]) -> T:
    """Finish a call even if the client goes away meanwhile."""
    return await asyncio.shield(asyncio.ensure_future(call))
