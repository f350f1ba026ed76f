"""File descriptors of this process: the system gives only so many, and the last of them are for the API.

├──────────── in use ────────────┼──── starts ────┼──── API ────┼── rest ──┤ limit
                                   until a quarter, at most 256, is left
                                                    until a sixteenth, at most 64, is left
"""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

PER_START = 20
"""Descriptors that a start takes for a moment: channels, memory, and duplicates that are on their way to be held."""

PER_TOPIC = 2
"""The same of a topic, or a group of its readers."""

_FOLDERS = (Path("/proc/self/fd"), Path("/dev/fd"))


def lack(needed: int) -> str | None:
    """What is missing for something that takes so many, in words; None if there are enough, or that can't be known."""
    limit, used = _limit(), _used()
    if used is None or limit - used - min(limit // 4, 256) >= needed:
        return None
    return (
        f"{limit - used:.0f} of the Hub's {limit:.0f} file descriptors are left: allow it more (ulimit -n, LimitNOFILE)"
    )


def is_among_last(descriptor: int) -> bool:
    """Whether one that was just made is among the last, since the system gives the lowest that is free."""
    limit = _limit()
    return descriptor >= limit - min(limit // 16, 64)


def _limit() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def _used() -> int | None:
    for folder in _FOLDERS:
        with contextlib.suppress(OSError):
            return folder.stat().st_size or sum(1 for _ in folder.iterdir())  # their number is the size since Linux 6.2
    return None
