"""What a Hub starts by itself: topics, Sequences and Instances that a JSON or YAML file lists.

    topics:
      - {name: orders, contentType: application/x-ndjson}
    sequences:
      - id: 4f2d...                    # a Sequence that is there, by its id
        args: [1, two]
      - name: reading-ease             # or by its name
        appConfig: {width: 20}
        outputTopic: orders
      - path: ./my-sequence            # or sent now: a directory or a tar.gz, relative to this file
        instanceId: 5f2c8a1e-3a51-4a0e-9d6c-0b9f6d1f7a11
        limits: {memory: 512}
        restart: on-failure:5

A Sequence of a path has an id that is made from its content: a restart finds it, and a change makes a new one.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from transform_hub.errors import HubStartError, PackageError
from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.restarts import policy_of
from transform_hub.hub.setup.files import convert, read_document
from transform_hub.hub.topics.bus import check_name, check_type
from transform_hub.models import InstanceLimits, SequenceInfo, StartRequest
from transform_hub.package import Limits, pack, unpack

if TYPE_CHECKING:
    from transform_hub.hub.server import Hub

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Instances that are started at the same time."""

CHUNK = 256 * 1024
NDJSON = "application/x-ndjson"

_CONTENT = uuid.UUID("6d1f6c0e-5b0a-4b66-9a57-2a5d6a0f5d0b")
"""Namespace of the ids that are made from content."""


class StartupTopic(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A topic to be there from the beginning."""

    name: str
    content_type: str = NDJSON


class StartupSequence(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An Instance to start; one of ``id``, ``name`` and ``path`` says of which Sequence."""

    id: str | None = None
    name: str | None = None
    path: str | None = None
    app_config: dict[str, Any] = {}
    args: list[Any] = []
    instance_id: str | None = None
    input_topic: str | None = None
    output_topic: str | None = None
    limits: InstanceLimits | None = None
    restart: str | dict[str, Any] | None = None

    def __str__(self) -> str:
        return self.path or self.name or self.id or "?"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    sequences: list[StartupSequence] = []
    topics: list[StartupTopic] = []


@dataclass
class Startup:
    """What to start; see :func:`read_startup`.

    Attributes:
        packages: the archives of the Sequences that are given by a path, by that path.
    """

    sequences: list[StartupSequence] = field(default_factory=list)
    topics: list[StartupTopic] = field(default_factory=list)
    packages: dict[str, Path] = field(default_factory=dict)


def read_startup(path: Path, workspace: Path, limits: Limits) -> Startup:
    """Read and check a startup configuration.

    Args:
        path: of a JSON or YAML file.
        workspace: directory for what is packed; has to be there until all is started.
        limits: what a package may be.

    Raises:
        HubStartError: something in it is not possible; the text says where.
    """
    found = convert(read_document(path), _File, str(path))
    for number, topic in enumerate(found.topics):
        _check_topic(topic.name, topic.content_type, f"{path}: topics[{number}]")
    startup = Startup(found.sequences, found.topics)
    for number, sequence in enumerate(found.sequences):
        where = f"{path}: sequences[{number}]"
        _check_sequence(sequence, where)
        if sequence.path is not None and sequence.path not in startup.packages:
            startup.packages[sequence.path] = _package(path.parent / sequence.path, workspace, limits, where)
    return startup


def _check_topic(name: str, content_type: str, where: str) -> None:
    try:
        check_name(name)
        check_type(name, content_type, None)
    except ApiError as error:
        raise HubStartError(f"{where}: {name!r}, {content_type!r}: {error.error}") from None


def _check_sequence(sequence: StartupSequence, where: str) -> None:
    given = [each for each in (sequence.id, sequence.name, sequence.path) if each]
    if len(given) != 1:
        raise HubStartError(f"{where}: say which Sequence by one of id, name and path")
    if sequence.instance_id is not None and not re.fullmatch(r"[\w.-]{36}", sequence.instance_id):
        raise HubStartError(f"{where}.instanceId: 36 letters, digits, '-', '_' or '.', not {sequence.instance_id!r}")
    try:
        policy_of(sequence.restart or "never")
    except ValueError as error:
        raise HubStartError(f"{where}.restart: {error}") from None
    for key, name in (("inputTopic", sequence.input_topic), ("outputTopic", sequence.output_topic)):
        if name is not None:
            _check_topic(name, NDJSON, f"{where}.{key}")


def _package(path: Path, workspace: Path, limits: Limits, where: str) -> Path:
    """The archive at a path, packed if it is a directory, and fit to run."""
    if not path.exists():
        raise HubStartError(f"{where}.path: there is no {path}")
    try:
        if path.is_dir():
            archive = workspace / f"{uuid.uuid4()}.tar.gz"
            pack(path, archive)
            return archive
        with tempfile.TemporaryDirectory(dir=workspace) as folder:
            unpack(path, Path(folder) / "package", limits=limits)
    except (PackageError, OSError) as error:
        raise HubStartError(f"{where}.path: {path} is not a Sequence: {error}") from None
    return path


async def start_all(hub: Hub, startup: Startup) -> int:
    """Make the topics, send the packages and start the Instances, a few at a time.

    What can't be started is told in the log; the others are started all the same.

    Returns:
        How many Instances were started.

    Raises:
        HubStartError: a package can't be stored.
    """
    for topic in startup.topics:
        await hub.topics.topic(topic.name, topic.content_type)
    sent = {path: await _send(hub, archive) for path, archive in startup.packages.items()}
    turns = asyncio.Semaphore(AT_ONCE)

    async def start(each: StartupSequence) -> bool:
        async with turns:
            return await _start(hub, each, sent)

    return sum(await asyncio.gather(*(start(each) for each in startup.sequences)))


async def _send(hub: Hub, archive: Path) -> SequenceInfo:
    try:
        sequence_id = str(uuid.uuid5(_CONTENT, await asyncio.to_thread(_digest, archive)))
        return hub.sequences.get(sequence_id) or await hub.sequences.add(_read(archive), sequence_id=sequence_id)
    except (PackageError, OSError) as error:
        raise HubStartError(f"{archive} can't be stored: {error}") from error


async def _start(hub: Hub, each: StartupSequence, sent: dict[str, SequenceInfo]) -> bool:
    """Whether it was started."""
    wanted = each.id or each.name or ""
    found = [sent[each.path]] if each.path else hub.sequences.find(wanted)
    if len(found) != 1:
        problem = f"{len(found)} Sequences are named so: say which by its id" if found else "there is no such Sequence"
        log.warning("%s is not started: %s", each, problem)
        return False
    request = StartRequest(
        app_config=each.app_config,
        args=each.args,
        instance_id=each.instance_id,
        input_topic=each.input_topic,
        output_topic=each.output_topic,
        limits=None if each.limits is None else msgspec.to_builtins(each.limits),
        restart=each.restart,
    )
    try:
        order = hub.instances.order(found[0], request)
        if (survivor := hub.instances.claim(order)) is not None:
            about = {"instance": survivor.id}
            log.info("Instance %s of %s has outlived an earlier Hub", survivor.id, each, extra=about)
            return True
        instance = await hub.instances.start(order)
    except ApiError as error:
        log.error("%s could not be started: %s", each, error.error)  # noqa: TRY400 - the text says it all
        return False
    log.info("Instance %s of %s was started", instance.id, each, extra={"instance": instance.id})
    return True


def _digest(archive: Path) -> str:
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


async def _read(archive: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(archive.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
