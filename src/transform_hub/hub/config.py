"""The settings of a Hub: fields for ``serve()``, options for ``sth``, and the answer of ``GET /config``.

:mod:`transform_hub.hub.setting` says what is made of a field that is declared here.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import platformdirs

from transform_hub.errors import HubStartError
from transform_hub.hub.access.auth import Token
from transform_hub.hub.access.tls import TLSConfig
from transform_hub.hub.channels.memory import UNREAD_LIMIT
from transform_hub.hub.instances.limits import LEAST_FILES, LEAST_MEMORY, LEAST_PROCESSES, limit_defect
from transform_hub.hub.instances.restarts import policy_of
from transform_hub.hub.observability.log_format import LogFormat
from transform_hub.hub.setting import Panel, Setting, settings_of
from transform_hub.models import InstanceLimits
from transform_hub.models.rules import is_loopback
from transform_hub.package import Limits
from transform_hub.protocol import MESSAGE_LIMIT

LOG_LEVELS = ("fatal", "error", "warn", "info", "debug", "trace")

DATA_DIR = platformdirs.user_data_path("scramjet-transform-hub")
"""Where ``sth`` keeps what outlives it."""

_MIB = 1024 * 1024

_AS_STH = {
    "logColors": False, "cpmUrl": "", "cpmId": "", "debug": False, "identifyExisting": True,
    "host.apiBase": "/api/v1", "runtimeAdapter": "process", "startupConfig": "", "telemetry.status": False,
    "platform.apiVersion": "v1",
}  # fmt: skip
"""Settings of STH that ``GET /config`` has too, though here they are no choice."""

_api = Panel("API")
_sequences = Panel("Sequences")
_process = Panel("Start and end")
_instances = Panel("Instances")
_room = Panel("What must be free to start an Instance")
_about = Panel("Description and log")
_health = Panel("Health server")


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for pair in filter(None, text.split(";")):
        name, equals, content = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"{pair!r} is not NAME=value")
        pairs[name] = content
    return pairs


def _adapter(text: str) -> str:
    if text not in ("process", "detect"):
        raise ValueError("this Hub runs Sequences as processes only")
    return text


@dataclasses.dataclass(frozen=True, kw_only=True)
class InstanceRequirements:
    """What must be free to start an Instance: percent of the CPU, MiB of memory and of the disk."""

    cpu_load: float = 10
    free_mem: float = 256
    free_space: float = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class HealthConfig:
    """Where the health server answers; port 0 picks a free one."""

    port: int
    host: str = "localhost"
    path: str = "healtz"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubConfig:
    """Settings of a Hub; their declarations explain those that ``sth`` has too.

    Attributes:
        data_dir: what outlives the Hub is kept here, Sequences too unless there is a ``sequences_root``.
        token: what clients must send as ``Authorization: Bearer``, with scope full; None asks for nothing.
        tokens: more of them, see :mod:`transform_hub.hub.access.auth`.
    """

    data_dir: Path
    token: str | None = dataclasses.field(default=None, repr=False)
    tokens: tuple[Token, ...] = dataclasses.field(default=(), repr=False)
    # fmt: off
    port: int = _api(8000, "-P --port", "host.port", "Port; 0 picks a free one.", min=0, max=65535, shown=True)
    host: str = _api("127.0.0.1", "-H --hostname", "host.hostname", "Name or address to listen on.", shown=True)
    token_file: Path | None = _api(
        None, "--token-file", "host.tokenFile", "File with the tokens that clients must send, instead of STH_TOKEN.")
    insecure: bool = _api(False, "--insecure", "host.insecure", "Listen beyond loopback without a token.")
    tls: TLSConfig | None = _api.group(
        None,
        certificate=Setting("--tls-cert", "host.tlsCert", "PEM file with the Hub's certificate: serve https."),
        key=Setting("--tls-key", "host.tlsKey", "PEM file with its key, unless the certificate's file has it."),
        client_ca=Setting("--tls-client-ca", "host.tlsClientCa",
                          "PEM file with authorities: clients must have a certificate from one of them."),
    )
    max_connections: int = _api(10_000, "--max-connections", "host.maxConnections",
                                "Maximum number of connections.", min=1)
    json_limit: int = _api(MESSAGE_LIMIT, "--json-limit", "host.jsonLimit",
                           "Maximum size of a JSON body, in MiB.", min=1, unit=_MIB)
    cors_origins: tuple[str, ...] = _api((), "--cors-origin", "host.corsOrigins", metavar="URL",
                                         help="Web page that may use the API; repeat it for more, * allows all.")
    hub_id: str = _api("STH", "-I --id", "host.id", "Id of the Hub.", shown=True)

    sequences_root: Path | None = _sequences(
        None, "-D --sequences-root", "sequencesRoot", "Directory where Sequences are kept.",
        sth_default=DATA_DIR / "sequences")
    limits: Limits = _sequences.group(
        Limits(),
        max_archive_bytes=Setting("--package-max-size", "packages.maxSize",
                                  "Maximum size of a package, in MiB.", min=1, unit=_MIB),
        max_unpacked_bytes=Setting("--package-max-unpacked", "packages.maxUnpacked",
                                   "Maximum size of an unpacked package, in MiB.", min=1, unit=_MIB),
        max_files=Setting("--package-max-files", "packages.maxFiles",
                          "Maximum number of files, links and directories in a package.", min=1),
        max_ratio=Setting("--package-max-ratio", "packages.maxRatio",
                          "Maximum number of bytes unpacked for each byte packed.", min=1),
    )

    exit_with_last_instance: bool = _process(False, "-X --exit-with-last-instance", "exitWithLastInstance",
                                             "Exit when the last Instance is gone.", shown=True)

    retention_ms: int = _instances(
        180_000, "--instance-lifetime-extension-delay", "timings.instanceLifetimeExtensionDelay",
        "ms that an ended Instance and its unread output are kept, on top of 15 s.", min=0, shown=True)
    unread_limit: int = _instances(
        UNREAD_LIMIT, "--unread-limit", "unreadLimit", min=1, max=1024, unit=_MIB,
        help="MiB of stdout, and of stderr, that are kept; while nobody reads, the oldest bytes are dropped.")
    restart_policy: str = _instances(
        "never", "--restart-policy", "restartPolicy",
        "For Instances started without one: never, on-failure[:5], always[:5].", metavar="POLICY")
    history_limit: int = _instances(1000, "--history-limit", "historyLimit",
                                    "Number of ended Instances that the history keeps.", min=0, max=100_000)
    heartbeat_ms: int = _instances(10_000, "--heart-beat-interval", "timings.heartBeatInterval",
                                   "ms between heartbeats in the audit.", min=1, shown=True)
    runner_envs: dict[str, str] = _instances({}, "--runner-envs", "runnerEnvs", "Environment variables for Sequences.",
                                             metavar="A=1;B=2", parse=_pairs, secret=True)
    secrets_dir: Path | None = _instances(None, "--secrets-dir", "secretsDir",
                                          "Directory with files that a start may name as secrets.")
    max_instances: int | None = _instances(None, "--max-instances", "maxInstances",
                                           "Maximum number of running Instances.", min=1)
    sandbox: bool = _instances(False, "--sandbox/--no-sandbox", "sandbox.enabled",
                               "Run each Instance in a sandbox of bubblewrap.")
    sandbox_network: bool = _instances(True, "--sandbox-network/--no-sandbox-network", "sandbox.network",
                                       "Let sandboxes reach the network.")
    instance_limits: InstanceLimits = _instances.group(
        InstanceLimits(),
        memory=Setting("--instance-memory", "instanceLimits.memory", "Maximum memory of each, in MB.",
                       min=LEAST_MEMORY),
        cpu=Setting("--instance-cpu-time", "instanceLimits.cpu", "Maximum CPU time of each, in seconds.", min=1),
        files=Setting("--instance-open-files", "instanceLimits.files", "Maximum number of open files of each.",
                      min=LEAST_FILES),
        processes=Setting("--instance-processes", "instanceLimits.processes",
                          "Maximum number of processes and threads of each.", min=LEAST_PROCESSES),
        disk=Setting("--instance-disk", "instanceLimits.disk", "Maximum size of the data_dir of each, in MB.", min=1),
    )
    cgroups: bool = _instances(False, "--cgroups/--no-cgroups", "cgroups", sth_default=True,
                               help="Limit the processes of an Instance together, by cgroups v2, if possible.")
    zygote: bool = _instances(True, "--zygote/--no-zygote", "zygote", "Fork runners from a warmed-up process.")
    reattach: bool = _instances(False, "--reattach/--no-reattach", "reattach", sth_default=True,
                                help="Let Instances outlive a Hub that is killed; needs the zygote.")
    reattach_timeout_ms: int = _instances(60_000, "--reattach-timeout", "timings.reattachTimeout",
                                          "ms that Instances wait for the next Hub.", min=0)

    safe_operation_limit: float = _room(512, "--safe-operation-limit", "safeOperationLimit", min=0, shown=True,
                                        help="MiB of each disk that don't count as available.")
    instance_requirements: InstanceRequirements = _room.group(
        InstanceRequirements(),
        cpu_load=Setting("--min-free-cpu", "instanceRequirements.cpuLoad", min=0, max=100, shown=True,
                         help="Percent of the CPU: the load must be below 100 minus this."),
        free_mem=Setting("--min-free-mem", "instanceRequirements.freeMem", "MiB of memory.", min=0, shown=True),
        free_space=Setting("--min-free-space", "instanceRequirements.freeSpace", "MiB of disk.", min=0, shown=True),
    )

    log_level: str = _about("info", "-L --log-level", "logLevel", f"One of {', '.join(LOG_LEVELS)}.", shown=True)
    description: str = _about("", "--description", "description", "Shown by GET /config.", shown=True)
    custom_name: str = _about("", "--custom-name", "customName", "Shown by GET /config.", shown=True)
    tags: tuple[str, ...] = _about((), "--tags", "tags", "Shown by GET /config.",
                                   metavar="A,B", parse=_names, shown=True)
    # fmt: on

    @property
    def asks_for_token(self) -> bool:
        """Whether clients need a token."""
        return self.token is not None or bool(self.tokens) or self.token_file is not None

    def check(self) -> None:
        """Refuse what would be dangerous or can't work.

        Raises:
            HubStartError: no token, but an address beyond loopback; no such log level or restart policy; ...
        """
        if not self.asks_for_token and not self.insecure and not is_loopback(self.host):
            raise HubStartError(
                f"Everybody who reaches {self.host} could run programs through this Hub: "
                "set a token (STH_TOKEN), or allow it with --insecure"
            )
        if self.token == "":
            raise HubStartError("The token is empty: everybody could guess it")
        if defect := limit_defect(self.instance_limits):
            raise HubStartError(f"No Instance could run with the limit of {defect}")
        if self.log_level.lower() not in LOG_LEVELS:
            raise HubStartError(f"There is no log level {self.log_level!r}: use one of {', '.join(LOG_LEVELS)}")
        try:
            policy_of(self.restart_policy)
        except ValueError as error:
            raise HubStartError(f"The restart policy must be {error}") from None

    def public(self, port: int) -> dict[str, Any]:
        """The answer of ``GET /config``, in STH's shape: no secrets, no paths of this machine."""
        values = {each.key: each.read(self) for each in settings_of(HubConfig) if each.shown}
        answer: dict[str, Any] = {}
        for key, value in {**_AS_STH, **values, "host.port": port, "logLevel": self.log_level.upper()}.items():
            section, _, name = key.rpartition(".")
            (answer.setdefault(section, {}) if section else answer)[name] = value
        return answer


@dataclasses.dataclass(frozen=True, kw_only=True)
class DaemonConfig(HubConfig):
    """Settings of ``sth``: a Hub, and the process it has to itself."""

    data_dir: Path = DATA_DIR
    # fmt: off
    identify_existing: bool = _sequences(True, "-E --identify-existing", "identifyExisting",
                                         "Find the stored Sequences: always on.")
    startup_config: Path | None = _process(None, "-S --startup-config", "startupConfig",
                                           "JSON or YAML file with what to start.")
    kill_on_exit: bool = _process(False, "-K --kill-on-exit", "killOnExit",
                                  "Exit with the signal's number. Instances end in any case.")
    shutdown_timeout_ms: int = _process(
        5000, "--shutdown-timeout", "timings.shutdownTimeout",
        "ms that Instances have to stop when the Hub ends, before they are killed.", min=0)
    runtime_adapter: str = _instances("process", "--runtime-adapter", "runtimeAdapter", metavar="ADAPTER",
                                      help="Where runners live: process, or detect.", parse=_adapter)
    log_format: LogFormat = _about(LogFormat.AUTO, "--log-format", "logFormat",
                                   "auto is text on a terminal, else JSON.")
    health: HealthConfig | None = _health.group(  # its keys are spelled as STH spells them
        None,
        port=Setting("--healtz-port", "monitorgingServer.port", "Port; without one there is no server.",
                     min=0, max=65535),
        host=Setting("--healtz-host", "monitorgingServer.host", "Name or address to listen on."),
        path=Setting("--healtz-path", "monitorgingServer.path", "Path that answers."),
    )
    # fmt: on
