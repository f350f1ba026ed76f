"""The startup configuration: topics, Sequences and Instances that ``sth`` starts by itself, from a JSON or YAML file.

    topics:
      - {name: orders, contentType: application/x-ndjson}
    sequences:
      - id: 4f2d...                    # a stored Sequence, by its id
        args: [1, two]
      - name: reading-ease             # or by its name
        appConfig: {width: 20}
        outputTopic: orders
      - path: ./my-sequence            # or one to store now: a directory or a tar.gz, relative to this file
        instanceId: 5f2c8a1e-3a51-4a0e-9d6c-0b9f6d1f7a11
        limits: {memory: 512}
        restart: on-failure:5
        env: {TZ: Europe/Warsaw}
        secrets: {DB_PASSWORD: {file: db}}    # in the Hub's --secrets-dir

The id of a Sequence given by its path is made from the content: a restart finds it, and a change makes a new one.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from transform_hub.errors import HubStartError, PackageError
from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.environment import check
from transform_hub.hub.instances.restarts import policy_of
from transform_hub.hub.instances.store import InstanceStore
from transform_hub.hub.sequences.store import SequenceStore
from transform_hub.hub.setup.files import convert, read_document
from transform_hub.hub.topics.bus import TopicBus
from transform_hub.models import InstanceLimits, SecretFile, SequenceInfo, StartRequest
from transform_hub.models.rules import (
    GROUP_NAME,
    GROUP_RULE,
    NDJSON,
    OBJECT_ID,
    TOPIC_NAME,
    TOPIC_RULE,
    TOPIC_TYPES,
    media_type,
)
from transform_hub.package import Limits, pack, unpack

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Instances that start at the same time."""

CHUNK = 256 * 1024

_CONTENT = uuid.UUID("6d1f6c0e-5b0a-4b66-9a57-2a5d6a0f5d0b")
"""Namespace of ids made from content."""


class StartupTopic(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A topic to make."""

    name: str
    content_type: str = NDJSON

    def __post_init__(self) -> None:
        self.content_type = media_type(self.content_type)


class StartupSequence(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """An Instance to start, of the Sequence named by one of ``id``, ``name`` and ``path``."""

    id: str | None = None
    name: str | None = None
    path: str | None = None
    app_config: dict[str, Any] = {}
    args: list[Any] = []
    instance_id: str | None = None
    input_topic: str | None = None
    input_group: str | None = None
    output_topic: str | None = None
    limits: InstanceLimits | None = None
    restart: str | dict[str, Any] | None = None
    env: dict[str, str] | None = None
    secrets: dict[str, str | SecretFile] | None = None

    def __str__(self) -> str:
        return self.path or self.name or self.id or "?"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    sequences: list[StartupSequence] = []
    topics: list[StartupTopic] = []


@dataclass
class Startup:
    """What to start; see :func:`read_startup`.

    Attributes:
        packages: archives of the Sequences given by a path, by that path.
    """

    sequences: list[StartupSequence] = field(default_factory=list)
    topics: list[StartupTopic] = field(default_factory=list)
    packages: dict[str, Path] = field(default_factory=dict)


def read_startup(path: Path, workspace: Path, limits: Limits) -> Startup:
    """Read and check a startup configuration.

    Args:
        path: a JSON or YAML file.
        workspace: directory for packed Sequences; has to last until all is started.
        limits: of packages.

    Raises:
        HubStartError: something in it is wrong; the text says where.
    """
    found = convert(read_document(path), _File, str(path))
    types: dict[str, str] = {}
    for number, topic in enumerate(found.topics):
        _check_topic(topic, types, f"{path}: topics[{number}]")
    startup = Startup(found.sequences, found.topics)
    for number, sequence in enumerate(found.sequences):
        where = f"{path}: sequences[{number}]"
        _check_sequence(sequence, where)
        if sequence.path is not None and sequence.path not in startup.packages:
            startup.packages[sequence.path] = _package(path.parent / sequence.path, workspace, limits, where)
    return startup


def _check_topic(topic: StartupTopic, types: dict[str, str], where: str) -> None:
    _check_topic_name(topic.name, where)
    if topic.content_type not in TOPIC_TYPES:
        raise HubStartError(f"{where}: {topic.content_type!r} is none of {', '.join(TOPIC_TYPES)}")
    if types.setdefault(topic.name, topic.content_type) != topic.content_type:
        raise HubStartError(f"{where}: {topic.name!r} stands above with another content type")


def _check_topic_name(name: str, where: str) -> None:
    if not TOPIC_NAME.fullmatch(name):
        raise HubStartError(f"{where}: {name!r} can't name a topic: use {TOPIC_RULE}")


def _check_sequence(sequence: StartupSequence, where: str) -> None:
    if sum(map(bool, (sequence.id, sequence.name, sequence.path))) != 1:
        raise HubStartError(f"{where}: name the Sequence by one of id, name and path")
    if sequence.instance_id is not None and not OBJECT_ID.fullmatch(sequence.instance_id):
        raise HubStartError(f"{where}.instanceId: 36 letters, digits, '-', '_' or '.', not {sequence.instance_id!r}")
    try:
        policy_of(sequence.restart or "never")
    except ValueError as error:
        raise HubStartError(f"{where}.restart: {error}") from None
    try:
        check(sequence.env, sequence.secrets)
    except ValueError as error:
        raise HubStartError(f"{where}.{error}") from None
    for key, name in (("inputTopic", sequence.input_topic), ("outputTopic", sequence.output_topic)):
        if name is not None:
            _check_topic_name(name, f"{where}.{key}")
    if sequence.input_group is not None and not GROUP_NAME.fullmatch(sequence.input_group):
        raise HubStartError(f"{where}.inputGroup: {sequence.input_group!r} is not a valid group name: {GROUP_RULE}")


def _package(path: Path, workspace: Path, limits: Limits, where: str) -> Path:
    """The archive at a path, packed if it is a directory, and checked."""
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


async def start_all(startup: Startup, *, sequences: SequenceStore, instances: InstanceStore, topics: TopicBus) -> int:
    """Make the topics, store the packages and start the Instances, a few at a time.

    An Instance that can't be started is an error in the log; the others are started all the same.

    Returns:
        How many Instances were started.

    Raises:
        HubStartError: a package can't be stored.
    """
    for topic in startup.topics:
        await topics.topic(topic.name, topic.content_type)
    stored = {path: await _store(sequences, archive) for path, archive in startup.packages.items()}
    turns = asyncio.Semaphore(AT_ONCE)

    async def start(each: StartupSequence) -> bool:
        async with turns:
            found = [stored[each.path]] if each.path else sequences.find(each.id or each.name or "")
            if len(found) == 1:
                return await _start(instances, each, found[0])
        problem = f"{len(found)} Sequences have this name: give an id" if found else "there is no such Sequence"
        log.warning("%s is not started: %s", each, problem)
        return False

    return sum(await asyncio.gather(*(start(each) for each in startup.sequences)))


async def _store(sequences: SequenceStore, archive: Path) -> SequenceInfo:
    try:
        sequence_id = str(uuid.uuid5(_CONTENT, await asyncio.to_thread(_digest, archive)))
        return sequences.get(sequence_id) or await sequences.add(_read(archive), sequence_id=sequence_id)
    except (PackageError, OSError) as error:
        raise HubStartError(f"{archive} can't be stored: {error}") from error


async def _start(instances: InstanceStore, each: StartupSequence, sequence: SequenceInfo) -> bool:
    """Whether it was started."""
    request = StartRequest(
        app_config=each.app_config,
        args=each.args,
        instance_id=each.instance_id,
        input_topic=each.input_topic,
        input_group=each.input_group,
        output_topic=each.output_topic,
        limits=None if each.limits is None else msgspec.to_builtins(each.limits),
        restart=each.restart,
        env=each.env,
        secrets=each.secrets,
    )
    try:
        order = instances.order(sequence, request)
        if (survivor := instances.claim(order)) is not None:
            about = {"instance": survivor.id}
            log.info("Instance %s of %s has outlived an earlier Hub", survivor.id, each, extra=about)
            return True
        instance = await instances.start(order)
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
