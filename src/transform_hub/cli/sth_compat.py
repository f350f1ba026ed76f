"""Options that STH has and that mean nothing here, and those that can't be served."""

from __future__ import annotations

import functools
import logging
from typing import Annotated, Any

import typer

from transform_hub.hub.setup.config_file import NO_MANAGER

log = logging.getLogger(__name__)

_useless = functools.partial(
    typer.Option,
    show_envvar=False,
    allow_from_autoenv=False,
    rich_help_panel="Accepted because STH has them, without effect",
)
_refused = functools.partial(typer.Option, show_envvar=False, allow_from_autoenv=False, rich_help_panel="Refused")


def check(
    *,
    no_colors: Annotated[bool, _useless("--no-colors", help="The log has no colours.")] = False,
    no_docker: Annotated[bool, _useless("--no-docker", help="There are no containers.")] = False,
    no_telemetry: Annotated[bool, _useless("--no-telemetry", help="There is no telemetry.")] = False,
    debug: Annotated[bool, _useless("--debug", help="Runners are not started in a debugger.")] = False,
    federation: Annotated[bool, _useless("--enable-federation-control", help="There is no federation.")] = False,
    environment: Annotated[str, _useless("--environment-name", help="There is no telemetry.")] = "",
    instances_port: Annotated[
        int | None, _useless("--isp", "--instances-server-port", help="Runners need no port.")
    ] = None,
    containers: Annotated[
        list[str] | None,
        _useless(
            "--runner-image", "--runner-py-image", "--runner-max-mem", "--prerunner-image", "--prerunner-max-mem",
            "--expose-host-ip", help="There are no containers.",
        ),
    ] = None,
    kubernetes: Annotated[
        list[str] | None,
        _useless(
            "--k8s-namespace", "--k8s-quota-name", "--k8s-auth-config-path", "--k8s-sth-pod-host",
            "--k8s-runner-image", "--k8s-runner-py-image", "--k8s-sequences-root", "--k8s-runner-cleanup-timeout",
            "--k8s-runner-resources-requests-cpu", "--k8s-runner-resources-requests-memory",
            "--k8s-runner-resources-limits-cpu", "--k8s-runner-resources-limits-memory",
            help="There are no containers.",
        ),
    ] = None,
    manager: Annotated[
        list[str] | None,
        _refused(
            "-C", "--cpm-url", "--cpm-id", "--cpm-ssl-ca-path", "--cpm-max-reconnections", "--cpm-reconnection-delay",
            "--platform-api", "--platform-api-version", "--platform-api-key", "--platform-space",
            help="This Hub can't be connected to a Manager.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Refuse what this Hub can't do, and warn of what has no effect.

    Raises:
        typer.BadParameter: a Manager was asked for.
    """
    del no_colors, no_docker, no_telemetry  # as it is here anyway
    if manager:
        raise typer.BadParameter(NO_MANAGER, param_hint="--cpm-*, --platform-*")
    useless: dict[str, Any] = {
        "debug": debug, "federation": federation, "environment": environment, "instances port": instances_port,
        "containers": containers, "kubernetes": kubernetes,
    }  # fmt: skip
    for name, value in useless.items():
        if value:
            log.warning("%s: no effect here", name)
