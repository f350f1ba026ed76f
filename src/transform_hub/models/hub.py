"""The JSON shapes of the Hub's REST API v1, shared by clients and Hub.

Attributes are snake_case here and camelCase on the wire. Decoding ignores unknown fields; encoding leaves unset fields
out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec

from transform_hub.models.rules import TOPIC_NAME, TopicType

T = TypeVar("T")

InstanceStatus = Literal["initializing", "starting", "running", "stopping", "killing", "completed", "errored", "gone"]
"""The states of an Instance; the last three are ends. A newer Hub may have others."""

ENDED: frozenset[str] = frozenset({"completed", "errored", "gone"})
"""The states of an Instance that has ended."""


class Model(msgspec.Struct, rename="camel", omit_defaults=True, kw_only=True):
    """Base of all shapes."""


class Version(Model, omit_defaults=False, kw_only=True):
    """Answer of ``GET /version``: the API and its server; old Hubs have only ``version``."""

    service: str = ""
    api_version: str = ""
    version: str
    build: str = ""


class ManagerStatus(Model):
    """The Manager ("cpm") a Hub is connected to; both fields are unset without one."""

    connected: bool | None = None
    cpm_id: str | None = None


class Status(Model, omit_defaults=False):
    """Answer of ``GET /status``."""

    cpm: ManagerStatus = msgspec.field(default_factory=ManagerStatus)


class DiskUsage(Model, omit_defaults=False):
    """One file system in a :class:`LoadCheck`; sizes in bytes, ``use`` is a fraction from 0 to 1."""

    fs: str
    available: float
    size: float
    used: float
    use: float


class LoadCheck(Model, omit_defaults=False):
    """Answer of ``GET /load-check``: load averages over 15 min and 1 min, memory and disks in bytes."""

    avg_load: float
    current_load: float
    mem_free: float
    mem_used: float
    fs_size: list[DiskUsage] = []


class SequenceConfig(Model, omit_defaults=False):
    """The fields of a Sequence's package.json; ``language`` is ``py``, ``js`` or a file extension."""

    type: str = "process"
    engines: dict[str, str] = {}
    entrypoint_path: str = ""
    version: str = ""
    name: str = ""
    id: str = ""
    sequence_dir: str = ""
    description: str | msgspec.UnsetType = msgspec.UNSET
    author: str | msgspec.UnsetType = msgspec.UNSET
    keywords: list[str] | msgspec.UnsetType = msgspec.UNSET
    args: list[Any] | msgspec.UnsetType = msgspec.UNSET
    repository: str | dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    language: str = "unknown"
    package_size: int | msgspec.UnsetType = msgspec.UNSET


class SequenceInfo(Model, kw_only=True):
    """A Sequence on a Hub: ``GET /sequence/:id`` and the items of ``GET /sequences``."""

    id: str
    name: str | None = None
    config: SequenceConfig = msgspec.field(default_factory=SequenceConfig)  # Managers may send only the id
    location: str = ""
    instances: list[str] | msgspec.UnsetType = msgspec.UNSET


class Terminated(Model, rename=None, omit_defaults=False):
    """How an Instance ended: exit code and reason."""

    exitcode: int
    reason: str


Milliseconds = Annotated[int, msgspec.Meta(ge=10, le=86_400_000)]


class RestartPolicy(Model, omit_defaults=False, kw_only=True):
    """When an Instance whose run has ended is run again; times in ms.

    Args:
        policy: never; after a failure; after every end that was not requested.
        max_retries: maximum of restarts in a row; None is no limit.
        delay: before the first restart in a row; doubled before each further one.
        max_delay: maximum of the delay.
        reset_after: a run that lasts this long ends the row.
    """

    policy: Literal["never", "on-failure", "always"]
    max_retries: Annotated[int, msgspec.Meta(ge=1)] | None = None
    delay: Milliseconds = 100
    max_delay: Milliseconds = 60_000
    reset_after: Milliseconds = 10_000


class InstanceInfo(Model, kw_only=True):
    """An Instance on a Hub: ``GET /instance/:id`` and the items of ``GET /instances``.

    ``status`` is one of :data:`InstanceStatus`, or a state that only a newer Hub has.
    Times are ISO 8601 in UTC. ``provides`` and ``requires`` name the topics the Instance writes and reads,
    ``input_group`` the group of readers that it is a member of there.
    ``limits`` are those it was started with; ``env`` and ``secrets`` only the names.
    ``error`` says what went wrong in an Instance that is ``errored``.
    ``restarts`` counts the restarts by ``restart_policy``; ``next_restart`` is set between two runs: when the next one
    begins.
    """

    id: str
    app_config: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    args: list[Any] | msgspec.UnsetType = msgspec.UNSET
    provides: str | None = None
    requires: str | None = None
    input_group: str | None = None
    sequence: SequenceInfo
    ports: dict[str, int] | None = None
    created: str | msgspec.UnsetType | None = msgspec.UNSET
    started: str | None = None
    ended: str | None = None
    status: InstanceStatus | str = msgspec.field(default_factory=lambda: "initializing")
    terminated: Terminated | None = None
    limits: dict[str, Any] | None = None
    env: list[str] | None = None
    secrets: list[str] | None = None
    error: str | None = None
    restarts: int = 0
    restart_policy: RestartPolicy | None = None
    next_restart: str | None = None

    @property
    def is_ended(self) -> bool:
        """Whether the Instance has ended."""
        return self.status in ENDED or self.terminated is not None  # on STH an ended one that is stopped is "stopping"


class Traffic(Model, omit_defaults=False):
    """Bytes that an Instance's streams have carried since it was started."""

    input: int = 0
    stdin: int = 0
    output: int = 0
    stdout: int = 0
    stderr: int = 0


class InstanceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of ``GET /instance/:id/health``: the health that an Instance last reported.

    ``process_id`` is that of its runner, ``container_id`` that of its container; both are unset if it has none, and
    ``traffic`` if the Hub does not count. ``answered_ago`` is the age of the report in ms: a busy Sequence makes no new
    one; it is unset if there is none. ``answer`` is the whole answer, with what the Sequence's own health checks add.
    """

    healthy: bool
    process_id: int | None = None
    container_id: str | None = None
    traffic: Traffic | None = None
    answered_ago: int | None = None
    answer: dict[str, Any] = {}

    @classmethod
    def of(cls, answer: dict[str, Any]) -> InstanceHealth:
        """The health in an answer; a Sequence may use any of its names for something else."""

        def value(name: str, type: type[T]) -> T | None:
            try:
                return msgspec.convert(answer.get(name), type)
            except msgspec.ValidationError:
                return None

        return cls(
            healthy=bool(answer.get("healthy")),
            process_id=value("processId", int),
            container_id=value("containerId", str),
            traffic=value("traffic", Traffic),
            answered_ago=value("answeredAgo", int),
            answer=answer,
        )


class PastSequence(Model, omit_defaults=False):
    """The Sequence of a :class:`HistoryEntry`; it may be gone."""

    id: str
    name: str = ""


class HistoryEntry(Model, omit_defaults=False, kw_only=True):
    """An item of ``GET /history``: an Instance that has ended; times are ISO 8601 in UTC.

    ``ended`` and ``terminated`` are None if the Hub was killed and nobody knows; ``error`` says so then.
    """

    id: str
    sequence: PastSequence
    created: str
    started: str | None = None
    ended: str | None = None
    status: InstanceStatus
    terminated: Terminated | None = None
    error: str | None = None
    restarts: int = 0


class Entities(Model, omit_defaults=False):
    """Answer of ``GET /entities``: all Sequences and Instances of a Hub."""

    sequences: list[SequenceInfo]
    instances: list[InstanceInfo]


class SequenceCreated(Model):
    """Answer of ``POST /sequence`` and ``DELETE /sequence/:id``."""

    id: str


class InstanceStarted(Model):
    """Answer of ``POST /sequence/:id/start``."""

    id: str
    message: str = ""


class SecretFile(Model, forbid_unknown_fields=True):
    """A secret that the Hub reads from a file in its secrets directory, at each start of a run."""

    file: str


class StartRequest(Model):
    """Body of ``POST /sequence/:id/start``; every field is optional.

    Args:
        app_config: becomes ``context.config`` in the Sequence.
        args: positional arguments after the input stream.
        instance_id: id of the Instance instead of a random one, 36 characters.
        input_topic: name for the topic that the Sequence requires.
        input_group: group of readers of that topic, which share its items.
        output_topic: name for the topic that the Sequence provides.
        limits: resource limits, e.g. ``{"memory": 512}`` (MB), see :class:`InstanceLimits`.
        restart: a :class:`RestartPolicy`, or a short form of one: ``never``, ``on-failure``, ``on-failure:5``, ...
        env: environment variables.
        secrets: become ``context.secrets`` in the Sequence: a value each, or a file of the Hub, ``{"file": "db"}``.
    """

    app_config: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    args: list[Any] | msgspec.UnsetType = msgspec.UNSET
    instance_id: str | None = None
    input_topic: str | None = None
    input_group: str | None = None
    output_topic: str | None = None
    limits: dict[str, Any] | None = None
    restart: str | dict[str, Any] | None = None
    env: dict[str, str] | None = None
    secrets: dict[str, str | SecretFile] | None = None

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        hidden = {name: shown[name] and sorted(shown[name]) for name in ("env", "secrets")}
        return f"StartRequest({', '.join(f'{name}={value!r}' for name, value in {**shown, **hidden}.items())})"


class InstanceLimits(Model, forbid_unknown_fields=True):
    """The ``limits`` of a :class:`StartRequest`.

    ``memory`` in MB, ``cpu`` in seconds of CPU time, ``files`` that may be open, number of ``processes`` with their
    threads, MB of ``disk`` that the ``data_dir`` may take, and whether a GPU is needed.
    """

    memory: Annotated[float, msgspec.Meta(gt=0)] | None = None
    cpu: Annotated[int, msgspec.Meta(gt=0)] | None = None
    files: Annotated[int, msgspec.Meta(gt=0)] | None = None
    processes: Annotated[int, msgspec.Meta(gt=0)] | None = None
    disk: Annotated[float, msgspec.Meta(gt=0)] | None = None
    gpu: bool | None = None


class StopRequest(Model):
    """Body of ``POST /instance/:id/_stop``: ``timeout`` in ms until the Instance is killed."""

    timeout: int = 7000
    can_call_keepalive: bool = False


class KillRequest(Model):
    """Body of ``POST /instance/:id/_kill``."""

    remove_immediately: bool = False


class EventOrder(Model):
    """Body of ``POST /instance/:id/_event``, after a number: ``[5001, {...}]``."""

    event_name: str
    message: Any = None


class InputPosition(Model, omit_defaults=False):
    """Answer of ``GET /instance/:id/input`` and ``stdin``: bytes that the Sequence has; whether that is all."""

    position: int
    ended: bool


class EventAccepted(Model, omit_defaults=False):
    """Answer of ``POST /instance/:id/_event``."""

    accepted: str = "OK"


class MonitoringRateOrder(Model):
    """Body of ``POST /instance/:id/_monitoring_rate``, after a number: health messages per second."""

    monitoring_rate: Annotated[float, msgspec.Meta(ge=0, le=1000)]


class MonitoringRateAccepted(Model, omit_defaults=False):
    """Answer of ``POST /instance/:id/_monitoring_rate``."""

    accepted: bool = True


class TopicRequest(Model):
    """Body of ``POST /topics``."""

    id: Annotated[str, msgspec.Meta(pattern=f"^{TOPIC_NAME.pattern}$")]
    content_type: TopicType = msgspec.field(name="content-type")


class TopicOrigin(Model):
    """Where a topic was created."""

    id: str
    type: str


class TopicCreated(Model):
    """Answer of ``POST /topics``."""

    id: str
    origin: TopicOrigin
    state: str
    content_type: str


class TopicDeleted(Model):
    """Answer of ``DELETE /topics/:topic``."""

    message: str


class Topic(Model, omit_defaults=False):
    """An item of ``GET /topics``; ``held`` is in bytes, ``waiting`` counts writers that are held back.

    ``groups`` has the members of each group of readers, which counts as one of the ``readers``; it is left out if there
    is none. STH leaves out all from ``readers`` on.
    """

    content_type: str
    local_provider: str = ""
    topic: str = ""
    topic_name: str = ""
    readers: int | None = None
    writers: int | None = None
    waiting: int | None = None
    held: int | None = None
    groups: dict[str, int] | msgspec.UnsetType = msgspec.UNSET


class LogEntry(Model, omit_defaults=False):
    """One line of ``GET /log`` or ``GET /instance/:id/log``; ``ts`` in ms since the epoch.

    ``request_id`` is that of the request that caused it, in the log of a Hub of this package.
    """

    ts: int
    level: str
    msg: str
    from_: str = msgspec.field(default="", name="from")
    data: list[Any] | msgspec.UnsetType = msgspec.UNSET
    request_id: str | msgspec.UnsetType = msgspec.UNSET


OpState = Literal["START", "ACTIVE", "END", "ERROR", ""]
"""State of the operation in an :class:`AuditRecord`; empty for events of a Sequence or Instance.

A newer Hub may have others.
"""


class AuditRecord(Model, kw_only=True):
    """One line of ``GET /audit``; ``rx`` and ``tx`` in bytes, ``received_at`` in ms since the epoch.

    ``object_id`` is the Sequence, Instance or topic; ``requestor_id`` the user to bill, else ``system``.
    """

    op_state: OpState | str
    op_code: int
    requestor_id: str
    received_at: int
    request_id: str | msgspec.UnsetType = msgspec.UNSET
    object_id: str | msgspec.UnsetType = msgspec.UNSET
    rx: int | msgspec.UnsetType = msgspec.UNSET
    tx: int | msgspec.UnsetType = msgspec.UNSET
    limits: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
