"""How busy the machine is, and whether that leaves room for another Instance."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import psutil

from transform_hub.hub.config import InstanceRequirements
from transform_hub.models import DiskUsage, LoadCheck

MIB = 1024 * 1024


def load_check(paths: Iterable[Path], reserve: float) -> LoadCheck:
    """The machine's load, memory and disks.

    Args:
        paths: one on each disk to look at.
        reserve: bytes of each disk that do not count as available.
    """
    one_minute, _, fifteen_minutes = os.getloadavg()
    memory = psutil.virtual_memory()
    return LoadCheck(
        avg_load=fifteen_minutes,
        current_load=one_minute,
        mem_free=memory.available,
        mem_used=memory.total - memory.available,
        fs_size=[disk for path in paths if (disk := _disk(path, reserve)) is not None],
    )


def _disk(path: Path, reserve: float) -> DiskUsage | None:
    try:
        usage = psutil.disk_usage(str(path))
    except OSError:
        return None
    return DiskUsage(
        fs=str(path),
        available=usage.free - reserve,
        size=usage.total,
        used=usage.used,
        use=usage.used / usage.total if usage.total else 0,
    )


def shortage(load: LoadCheck, required: InstanceRequirements) -> str | None:
    """What there is too little of for another Instance, in words; None if there is enough."""
    if load.avg_load >= 100 - required.cpu_load:
        return f"the load average is {load.avg_load:.1f}, cpuLoad allows less than {100 - required.cpu_load:g}"
    if load.mem_free <= required.free_mem * MIB:
        return f"{load.mem_free / MIB:.0f} MiB of memory are free, freeMem asks for {required.free_mem:g}"
    for disk in load.fs_size[:1]:
        if disk.available <= required.free_space * MIB:
            free = max(disk.available, 0) / MIB
            return f"{free:.0f} MiB of {disk.fs} are available, freeSpace asks for {required.free_space:g}"
    return None
