"""Hides the Hub's memory from other processes of its user, which runners are."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_memory() -> None:
    """Close memory, environment and descriptors of this process to other processes of its user (Linux only).

    Otherwise every Sequence could read the Hub's tokens from its memory and ``/proc/<pid>/environ``. Debuggers of that
    user and core dumps no longer see them either; root's still do.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
