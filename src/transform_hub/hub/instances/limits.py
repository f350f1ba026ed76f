"""What one Instance may use of the machine: asked for when it is started, and limited for all by the Hub.

asked for        of the Hub       the Instance has
nothing          nothing          no limit
n                nothing          n
nothing          m                m
n, up to m       m                n
n, more than m   m                is refused
"""

from __future__ import annotations

import resource
from collections.abc import Collection
from typing import Any

import msgspec

from transform_hub.hub.errors import ApiError
from transform_hub.models import InstanceLimits

LEAST_MEMORY = 64
"""MB that a runner needs for itself."""

LEAST_FILES = 64
"""Descriptors that a runner needs for itself."""

LEAST_PROCESSES = 16
"""Processes and threads that a runner needs for itself; Node.js has a dozen."""

MOST = 2**40
"""Of any limit: the system counts bytes in 63 bits."""

NO_GROUPS = "processes are counted in control groups (cgroups v2), and this Hub has none for itself"

MB = 1024 * 1024
_OF_PROCESS = ("memory", "cpu", "files", "processes")
NAMES = (*_OF_PROCESS, "disk")


def limits_for(
    asked: dict[str, Any] | None, of_hub: InstanceLimits, supported: Collection[str]
) -> dict[str, Any] | None:
    """The limits of an Instance, as they are shown.

    Args:
        asked: ``limits`` of the request.
        of_hub: those that no Instance may exceed.
        supported: the limits that its runtime can hold it to.

    Raises:
        ApiError: they are not possible, or more than the Hub allows.
    """
    limits = _parse(asked or {})
    if limits.processes is not None and "processes" not in supported:
        raise ApiError(400, f"Invalid limits.processes: {NO_GROUPS}")
    if limits.disk is not None and "disk" not in supported:
        raise ApiError(400, "Invalid limits.disk: the directories of Instances are not on the Hub's machine")
    for name in NAMES:
        wanted, most = getattr(limits, name), getattr(of_hub, name)
        if wanted is not None and most is not None and wanted > most:
            raise ApiError(400, f"Invalid limits.{name}: {wanted:g} is more than this Hub allows, {most:g}")
    given = {name: getattr(of_hub, name) for name in NAMES if getattr(of_hub, name) is not None}
    return {**given, **(asked or {})} or asked


def _parse(asked: dict[str, Any]) -> InstanceLimits:
    try:
        limits = msgspec.convert({name: each for name, each in asked.items() if each is not None}, InstanceLimits)
    except msgspec.ValidationError as error:
        raise ApiError(400, f"Invalid limits format: {error}") from None
    if defect := limit_defect(limits):
        raise ApiError(400, f"Invalid limits.{defect}")
    return limits


def limit_defect(limits: InstanceLimits) -> str | None:
    """Which limit no Instance could run with, and why; None if all are possible."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for name in ("memory", "cpu", "processes", "disk"):
        if (getattr(limits, name) or 0) > MOST:
            return f"{name}: at most {MOST:,}"
    if limits.memory is not None and limits.memory < LEAST_MEMORY:
        return f"memory: a runner alone needs {LEAST_MEMORY} MB"
    if limits.files is not None and limits.files < LEAST_FILES:
        return f"files: a runner alone needs {LEAST_FILES}"
    if limits.processes is not None and limits.processes < LEAST_PROCESSES:
        return f"processes: a runner alone needs {LEAST_PROCESSES}"
    if limits.files is not None and most != resource.RLIM_INFINITY and limits.files > most:
        return f"files: the system allows a process of this Hub {most}"
    return None


def for_runner(limits: dict[str, Any] | None) -> dict[str, int]:
    """Limits as :mod:`transform_hub.runner.limits` takes them: bytes, seconds, numbers."""
    limits = {name: each for name, each in (limits or {}).items() if name in _OF_PROCESS and each is not None}
    if "memory" in limits:
        limits["memory"] = int(limits["memory"] * MB)
    return limits
