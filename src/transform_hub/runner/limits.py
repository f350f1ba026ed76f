"""Resource limits of a runner process, set before the Sequence is loaded.

    memory   RLIMIT_DATA   private writable memory: an allocation beyond it fails (MemoryError, or Node.js aborts)
    cpu      RLIMIT_CPU    seconds of CPU time: SIGXCPU, and a second later SIGKILL
    files    RLIMIT_NOFILE open descriptors: opening one more fails

They hold per process: each process that the Sequence starts has the same limits for itself.
"""

from __future__ import annotations

import resource

NODE_OWN = 64 * 1024 * 1024
"""Bytes that Node.js needs beside its heap."""


def apply(limits: dict[str, int]) -> None:
    """Limit this process and every process it starts.

    Args:
        limits: ``memory`` in bytes, ``cpu`` in seconds, number of ``files``; a missing key means no limit.
    """
    if "memory" in limits:
        _set(resource.RLIMIT_DATA, limits["memory"], limits["memory"])
    if "files" in limits:
        _set(resource.RLIMIT_NOFILE, limits["files"], limits["files"])
    if "cpu" in limits:
        _set(resource.RLIMIT_CPU, limits["cpu"], limits["cpu"] + 1)


def node_options(limits: dict[str, int]) -> list[str]:
    """Options that keep the heap of Node.js within the limit, so that it collects garbage in time."""
    if "memory" not in limits:
        return []
    heap = max(limits["memory"] - NODE_OWN, limits["memory"] // 2)
    return [f"--max-old-space-size={heap // (1024 * 1024)}"]


def _set(which: int, soft: int, hard: int) -> None:
    _, allowed = resource.getrlimit(which)
    if allowed != resource.RLIM_INFINITY:
        soft, hard = min(soft, allowed), min(hard, allowed)
    resource.setrlimit(which, (soft, hard))
