"""Keeps what the Hub knows from other processes of the same user, which runners are."""

from __future__ import annotations

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def hide_memory() -> None:
    """Take memory, environment and descriptors of this process from other processes of its user, where Linux can.

    Without this every Sequence could read the Hub's tokens from ``/proc/<pid>/environ`` and its memory. Debuggers of
    that user, and core dumps, go without them too; those of root do not.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
