"""The load of the machine, and whether it leaves room for another Instance."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from collections.abc import Iterable
from pathlib import Path

import psutil

from transform_hub.models import DiskUsage, LoadCheck

log = logging.getLogger(__name__)

MIB = 1024 * 1024


def load_check(paths: Iterable[Path], reserve: float) -> LoadCheck:
    """The machine's load, memory and disks; what it does not tell counts as no load, or as free.

    Args:
        paths: one on each disk to look at.
        reserve: bytes of each disk that do not count as available.
    """
    one_minute = fifteen_minutes = 0.0
    with contextlib.suppress(OSError):
        one_minute, _, fifteen_minutes = os.getloadavg()
    total, available = _memory()
    return LoadCheck(
        avg_load=fifteen_minutes,
        current_load=one_minute,
        mem_free=available,
        mem_used=total - available,
        fs_size=[disk for path in paths if (disk := _disk(path, reserve)) is not None],
    )


def _memory() -> tuple[float, float]:
    """Bytes of memory, and of those that are available."""
    try:
        memory = psutil.virtual_memory()
    except Exception as error:  # noqa: BLE001 - psutil raises what its reading of a /proc/meminfo like this one comes to
        _warn(f"{type(error).__name__}: {error}")
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return total, total
    return memory.total, memory.available


@functools.cache
def _warn(why: str) -> None:
    log.warning("This machine does not tell how much memory is free, so that starts are not refused for it: %s", why)


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


def shortage(load: LoadCheck, *, cpu_load: float, free_mem: float, free_space: float) -> str | None:
    """What another Instance lacks, in words; None if there is enough.

    Args:
        load: of the machine.
        cpu_load: percent that must be free: the load average of 15 minutes has to be below ``100 - cpu_load``.
        free_mem: MiB of memory that must be free.
        free_space: MiB of the first disk that must be available.
    """
    if load.avg_load >= 100 - cpu_load:
        return f"the load average is {load.avg_load:.1f}, cpuLoad allows less than {100 - cpu_load:g}"
    if load.mem_free <= free_mem * MIB:
        return f"{load.mem_free / MIB:.0f} MiB of memory are free, freeMem asks for {free_mem:g}"
    for disk in load.fs_size[:1]:
        if disk.available <= free_space * MIB:
            free = max(disk.available, 0) / MIB
            return f"{free:.0f} MiB of {disk.fs} are available, freeSpace asks for {free_space:g}"
    return None
