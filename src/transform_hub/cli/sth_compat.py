"""Options that STH has and that mean nothing here, and those that can't be served."""

from __future__ import annotations

import functools
import logging
from typing import Annotated, Any

import typer

from transform_hub.hub.setup.settings import NO_MANAGER

log = logging.getLogger(__name__)

_useless = functools.partial(
    typer.Option,
    show_envvar=False,
    allow_from_autoenv=False,
    rich_help_panel="Accepted because STH has them, without effect",
)
_refused = functools.partial(typer.Option, show_envvar=False, allow_from_autoenv=False, rich_help_panel="Refused")

NoColors = Annotated[bool, _useless("--no-colors", help="The log has no colours.")]
NoDocker = Annotated[bool, _useless("--no-docker", help="There are no containers.")]
NoTelemetry = Annotated[bool, _useless("--no-telemetry", help="There is no telemetry.")]
Debug = Annotated[bool, _useless("--debug", help="Runners are not started in a debugger.")]
Federation = Annotated[bool, _useless("--enable-federation-control", help="There is no federation.")]
Environment = Annotated[str, _useless("--environment-name", help="There is no telemetry.")]
InstancesPort = Annotated[int | None, _useless("--isp", "--instances-server-port", help="Runners need no port.")]
Containers = Annotated[
    list[str] | None,
    _useless(
        "--runner-image", "--runner-py-image", "--runner-max-mem", "--prerunner-image", "--prerunner-max-mem",
        "--expose-host-ip", help="There are no containers.",
    ),
]  # fmt: skip
Kubernetes = Annotated[
    list[str] | None,
    _useless(
        "--k8s-namespace", "--k8s-quota-name", "--k8s-auth-config-path", "--k8s-sth-pod-host",
        "--k8s-runner-image", "--k8s-runner-py-image", "--k8s-sequences-root", "--k8s-runner-cleanup-timeout",
        "--k8s-runner-resources-requests-cpu", "--k8s-runner-resources-requests-memory",
        "--k8s-runner-resources-limits-cpu", "--k8s-runner-resources-limits-memory", help="There are no containers.",
    ),
]  # fmt: skip
Manager = Annotated[
    list[str] | None,
    _refused(
        "-C", "--cpm-url", "--cpm-id", "--cpm-ssl-ca-path", "--cpm-max-reconnections", "--cpm-reconnection-delay",
        "--platform-api", "--platform-api-version", "--platform-api-key", "--platform-space",
        help="This Hub can't be connected to a Manager.",
    ),
]  # fmt: skip


def refuse(*, manager: list[str] | None, runtime_adapter: str) -> None:
    """Refuse what this Hub can't do.

    Raises:
        typer.BadParameter: it was asked for.
    """
    if manager:
        raise typer.BadParameter(NO_MANAGER, param_hint="--cpm-*, --platform-*")
    if runtime_adapter not in ("process", "detect"):
        raise typer.BadParameter("this Hub runs Sequences as processes only", param_hint="--runtime-adapter")


def warn(*, identify_existing: bool, **useless: Any) -> None:
    """Tell in the log which options have no effect.

    Args:
        identify_existing: whether Sequences that are there shall be found, which they always are.
        useless: values of the others.
    """
    if not identify_existing:
        log.warning("The Sequences that are there are always found")
    for name, value in useless.items():
        if value:
            log.warning("%s: no effect here", name.replace("_", " "))
