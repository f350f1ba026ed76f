"""What a Hub writes down of each running Instance, so that another Hub can go on with it.

    <sequences root>/.hub/instances/<id>.json     one per Instance that can outlive the Hub; removed with it

Only the Hub's user can read them: they have the secrets of Instances, environment and arguments.
A record is replaced in one step, so it is never half there. It is not forced to the disk: it has to survive the
Hub's death, not the machine's, which ends the Instances too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from transform_hub.errors import HubStartError
from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.messages import TopicDeclaration
from transform_hub.hub.instances.run import StopOrder, TopicKind
from transform_hub.hub.private import make_directory, open_file
from transform_hub.models import InstanceStatus, Model, StartRequest

log = logging.getLogger(__name__)


class Record(Model, kw_only=True):
    """One Instance."""

    id: str
    secret: str
    sequence_id: str
    request: StartRequest
    status: InstanceStatus
    created: str
    started: str | None = None
    pid: int | None = None
    provides: TopicDeclaration | None = None
    requires: TopicDeclaration | None = None
    input_type: str | None = None
    output_type: str | None = None
    stopping: StopOrder | None = None
    ended_sinks: tuple[str, ...] = ()
    restarts: int = 0
    restarts_in_a_row: int = 0
    next_restart: str | None = None

    @property
    def topics(self) -> dict[TopicKind, TopicDeclaration]:
        """What the Sequence has declared."""
        both: dict[TopicKind, TopicDeclaration | None] = {"provides": self.provides, "requires": self.requires}
        return {kind: topic for kind, topic in both.items() if topic is not None}

    def __post_init__(self) -> None:
        """Refuse times that are none, which makes the record unreadable."""
        for time in (self.created, self.started, self.next_restart):
            if time is not None:
                moment(time)


def record_of(instance: Instance) -> Record:
    """What another Hub has to know to go on with an Instance."""
    run = instance.run
    return Record(
        id=instance.id,
        secret=run.secret,
        sequence_id=instance.sequence.id,
        request=instance.order.request,
        status=instance.status,
        created=instance.created_at,
        started=instance.started_at,
        pid=run.pid,
        input_type=run.input_type,
        output_type=run.output_type,
        stopping=run.stop_order,
        ended_sinks=instance.streams.ended_sinks,
        restarts=instance.restarts.count,
        restarts_in_a_row=instance.restarts.in_a_row,
        next_restart=instance.restarts.next_at if instance.is_between_runs else None,
        provides=run.topics.get("provides"),
        requires=run.topics.get("requires"),
    )


def restore(instance: Instance, record: Record) -> None:
    """Bring an Instance that was just made to where a record says that it is."""
    instance.life.status = record.status
    instance.created_at, instance.started_at = record.created, record.started
    instance.restarts.count, instance.restarts.in_a_row = record.restarts, record.restarts_in_a_row
    run = instance.run
    run.secret, run.pid, run.input_type, run.output_type = (
        record.secret,
        record.pid,
        record.input_type,
        record.output_type,
    )


def moment(time: str) -> datetime:
    """A time as the API tells it."""
    return datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%f%z")  # 3.10: fromisoformat does not know the Z


class Records:
    """The records of a Hub.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self) -> None:
        """Make the directory; only this user reads what is in it, because it has the Instances' secrets.

        Raises:
            HubStartError: it can't be made.
        """
        try:
            make_directory(self._folder)
            self._folder.chmod(0o700)
        except OSError as error:
            raise HubStartError(f"{self._folder} can't be a directory for records: {error.strerror}") from error

    def save(self, record: Record) -> None:
        """Write a record, in the place of an earlier one."""
        path = self._path(record.id)
        incoming = path.with_suffix(".new")
        try:
            with open_file(incoming, "wb") as file:
                file.write(msgspec.json.encode(record))
            incoming.replace(path)
        except OSError as error:
            log.warning("Instance %s would not survive the Hub as it is now: %s", record.id, error)

    def remove(self, instance_id: str) -> None:
        """Forget an Instance."""
        try:
            self._path(instance_id).unlink(missing_ok=True)
        except OSError as error:  # the next Hub finds a record of what it is not handed
            log.warning("The record of Instance %s can't be removed: %s", instance_id, error)

    def find(self, instance_id: str) -> Record | None:
        """What is written of an Instance; None if nothing can be read."""
        try:
            return msgspec.json.decode(self._path(instance_id).read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def ids(self) -> Iterator[str]:
        """The Instances that there are records of."""
        for path in list(self._folder.iterdir()):
            if path.is_dir():
                log.warning("%s is no record and is left alone", path)
            elif path.suffix == ".json":
                yield path.stem
            else:
                path.unlink()

    def _path(self, instance_id: str) -> Path:
        return self._folder / f"{instance_id}.json"
