"""File descriptors of this process: the system gives only so many, and the last of them are for the API.

├──────────── in use ────────────┼──── starts ────┼──── API ────┼── rest ──┤ limit
                                   until a quarter, at most 256, is left
                                                    until a sixteenth, at most 64, is left
"""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

PER_START = 20
"""Descriptors that a start takes for a moment: channels, memory, and duplicates that are on their way to be held."""

_FOLDERS = (Path("/proc/self/fd"), Path("/dev/fd"))


def left() -> float:
    """How many may still be opened; infinitely many where this can't be known."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = _used()
    return float("inf") if used is None or limit == resource.RLIM_INFINITY else limit - used


def lack_for_start(pending: int) -> str | None:
    """What another Instance lacks, in words; None if there are enough.

    Args:
        pending: starts that have not yet taken all that they will.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    there = left()
    if there - min(limit // 4, 256) >= PER_START * (pending + 1):
        return None
    return f"{there} of the Hub's {limit} file descriptors are left; it may be allowed more (ulimit -n, LimitNOFILE)"


def are_scarce() -> bool:
    """Whether no more connections to the API should be taken."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return left() < min(limit // 16, 64)


def _used() -> int | None:
    for folder in _FOLDERS:
        with contextlib.suppress(OSError):
            return folder.stat().st_size or sum(1 for _ in folder.iterdir())  # their number is the size since Linux 6.2
    return None
