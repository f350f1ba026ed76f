"""What a Hub can be told: the settings behind ``serve()``, ``sth`` and ``GET /config``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from transform_hub.errors import HubStartError
from transform_hub.hub.access.auth import Token
from transform_hub.hub.access.tls import TLSConfig
from transform_hub.hub.instances.limits import limit_defect
from transform_hub.hub.instances.restarts import policy_of
from transform_hub.models import InstanceLimits
from transform_hub.models.rules import is_loopback
from transform_hub.package import Limits

LOG_LEVELS = ("fatal", "error", "warn", "info", "debug", "trace")


@dataclasses.dataclass(frozen=True, kw_only=True)
class InstanceRequirements:
    """What must be free for another Instance to be started.

    Attributes:
        cpu_load: percent of the CPU: the load average of 15 minutes has to be below ``100 - cpu_load``.
        free_mem: MiB of memory.
        free_space: MiB of the first disk, beyond the safe operation limit.
    """

    cpu_load: float = 10
    free_mem: float = 256
    free_space: float = 128


@dataclasses.dataclass(frozen=True, kw_only=True)
class HealtzConfig:
    """Where health is told; a port of 0 takes a free one."""

    port: int
    host: str = "localhost"
    path: str = "healtz"


@dataclasses.dataclass(frozen=True, kw_only=True)
class HubConfig:
    """Settings of a Hub.

    Attributes:
        host, port: where the API listens; port 0 takes a free one.
        data_dir: where the Hub keeps what outlives it.
        sequences_root: where Sequences are kept, if not in ``data_dir/sequences``.
        token: what clients must send as ``Authorization: Bearer``, with scope full; None asks for nothing.
        tokens, token_file: more of them, see :mod:`transform_hub.hub.access.auth`.
        tls: with which certificate to serve https; None serves http.
        max_connections: to the API at the same time.
        cgroups: move this process into a control group of its own, so that limits hold for all processes of an
            Instance together; see :mod:`transform_hub.hub.runtimes.cgroups`.
        sandbox: run each Instance in a sandbox of bubblewrap; without ``sandbox_network`` it has no network.
        cgroups: move this process into a control group of its own, so that limits can hold for all processes of an
            Instance together; see :mod:`transform_hub.hub.runtimes.cgroups`.
        instance_limits: what no Instance may exceed, and has if it asks for nothing else.
        max_instances: that run at the same time; None sets no limit.
        cors_origins: the pages that may use the API, e.g. ``https://hub.example``; see
            :mod:`transform_hub.hub.http.cors`.
        insecure: allow an address other than loopback without a token.
        hub_id: what ``location`` says in Sequences.
        retention_ms: ms that an ended Instance and what it left unread are kept.
        history_limit: ended Instances that the history keeps; 0 is no history.
        restart_policy: of Instances whose start does not say one, as in ``on-failure:5``.
        zygote: fork runners from a warmed-up process instead of starting an interpreter for each.
        reattach: let Instances outlive a Hub that dies, for one that is started on the same directory; needs
            ``zygote``.
        reattach_timeout_ms: ms that they wait for that Hub before they are ended.
        runner_envs: environment variables that Sequences get in addition.
        limits: what an uploaded package may be.
        instance_requirements: what must be free for another Instance.
        safe_operation_limit: MiB of each disk that do not count as available.
        heartbeat_ms: ms between the heartbeats in the audit while somebody reads it.
        exit_with_last_instance: what ``sth`` does when the last Instance is gone; of no effect elsewhere.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path
    sequences_root: Path | None = None
    token: str | None = dataclasses.field(default=None, repr=False)
    tokens: tuple[Token, ...] = dataclasses.field(default=(), repr=False)
    token_file: Path | None = None
    insecure: bool = False
    tls: TLSConfig | None = None
    max_connections: int = 10_000
    max_instances: int | None = None
    sandbox: bool = False
    sandbox_network: bool = True
    cgroups: bool = False
    instance_limits: InstanceLimits = dataclasses.field(default_factory=InstanceLimits)
    cors_origins: tuple[str, ...] = ()
    hub_id: str = "STH"
    description: str = ""
    custom_name: str = ""
    tags: tuple[str, ...] = ()
    log_level: str = "info"
    retention_ms: int = 180_000
    restart_policy: str = "never"
    history_limit: int = 1000
    zygote: bool = True
    reattach: bool = False
    reattach_timeout_ms: int = 60_000
    runner_envs: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)
    limits: Limits = dataclasses.field(default_factory=Limits)
    instance_requirements: InstanceRequirements = InstanceRequirements()
    safe_operation_limit: float = 512
    heartbeat_ms: int = 10_000
    exit_with_last_instance: bool = False

    @property
    def asks_for_token(self) -> bool:
        """Whether clients need a token."""
        return self.token is not None or bool(self.tokens) or self.token_file is not None

    def check(self) -> None:
        """Refuse what would be dangerous or can't work.

        Raises:
            HubStartError: another address than loopback without token; a log level or restart policy that is none.
        """
        if not self.asks_for_token and not self.insecure and not is_loopback(self.host):
            raise HubStartError(
                f"Everybody who reaches {self.host} could run programs through this Hub: "
                "set a token (STH_TOKEN), or say --insecure"
            )
        if self.token == "":
            raise HubStartError("The token is empty: everybody could guess it")
        if impossible := limit_defect(self.instance_limits):
            raise HubStartError(f"No Instance could run with the limit of {impossible}")
        if self.log_level.lower() not in LOG_LEVELS:
            raise HubStartError(f"There is no log level {self.log_level!r}: take one of {', '.join(LOG_LEVELS)}")
        try:
            policy_of(self.restart_policy)
        except ValueError as error:
            raise HubStartError(f"The restart policy must be {error}") from None

    def public(self, port: int) -> dict[str, Any]:
        """The answer of ``GET /config``, in STH's shape: no secrets, no paths of this machine."""
        return {
            "logLevel": self.log_level.upper(),
            "logColors": False,
            "customName": self.custom_name,
            "description": self.description,
            "tags": list(self.tags),
            "cpmUrl": "",
            "cpmId": "",
            "debug": False,
            "identifyExisting": True,
            "host": {"apiBase": "/api/v1", "hostname": self.host, "port": port, "id": self.hub_id},
            "instanceRequirements": {
                "cpuLoad": self.instance_requirements.cpu_load,
                "freeMem": self.instance_requirements.free_mem,
                "freeSpace": self.instance_requirements.free_space,
            },
            "safeOperationLimit": self.safe_operation_limit,
            "runtimeAdapter": "process",
            "startupConfig": "",
            "exitWithLastInstance": self.exit_with_last_instance,
            "timings": {
                "heartBeatInterval": self.heartbeat_ms,
                "instanceLifetimeExtensionDelay": self.retention_ms,
            },
            "telemetry": {"status": False},
            "platform": {"apiVersion": "v1"},
        }
