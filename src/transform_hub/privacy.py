"""Hides memory and descriptors of Hub and zygote from other processes of their user, which runners are."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_memory() -> None:
    """Close memory, environment and descriptors of this process to other processes of its user (Linux only).

    Otherwise every Sequence could read the Hub's tokens from its memory and ``/proc/<pid>/environ``. Debuggers of that
    user and core dumps no longer see them either; root's still do.
    """
    _set_dumpable(0)


def show_memory() -> None:
    """Let debuggers and profilers of its user into this process, a fork of one that is hidden."""
    _set_dumpable(1)


def _set_dumpable(value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, value, 0, 0, 0)
