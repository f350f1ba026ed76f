"""Processes that a Sequence leaves behind outside its process group: daemons.

    Sequence ── starts ──> process ── setsid, its parent ends ──> daemon, from now on a child of the zygote

On Linux the zygote is a "child subreaper": what has lost its parent below it becomes its own child, and can be ended
with its Instance. Whose such a process is its environment says, which every program that is started inherits, or else
its name, which a fork keeps. One that has shed both lives until the zygote ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import signal
import time
from collections.abc import Collection, Iterator
from pathlib import Path

MARK = "INSTANCE_ID"
"""Environment variable that says which Instance a process belongs to; Sequences may read it too."""

EXEC = 20
"""Milliseconds that a process may show no environment, because it is about to become another program."""

_PR_SET_CHILD_SUBREAPER = 36


def adopt() -> None:
    """Become the parent of all below this process that lose theirs; without Linux nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def sign(instance_id: str) -> None:
    """Name this process, and what it forks, after an Instance."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_bytes(_name(instance_id))


def end(instance_id: str, *, known: Collection[int]) -> list[int]:
    """End what an Instance has left behind.

    Args:
        instance_id: its id.
        known: children that are no orphans.

    Returns:
        The processes. Their own children come to light when these are gone: then this is to be called again.
    """
    orphans = [pid for pid in _children() if pid not in known and _belongs(pid, instance_id)]
    for pid in orphans:
        _kill(pid)
    return orphans


def end_all() -> None:
    """End all children of this process, and theirs, and wait until they are gone."""
    killed: set[int] = set()
    while pids := set(_children()):
        for pid in pids - killed:
            _kill(pid)
        killed |= pids
        try:
            os.wait()
        except ChildProcessError:
            return


def _children() -> Iterator[int]:
    with contextlib.suppress(OSError):
        yield from map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split())


def _belongs(pid: int, instance_id: str) -> bool:
    try:
        marked = f"{MARK}={instance_id}".encode() in _environment(pid).split(b"\0")
        return marked or Path(f"/proc/{pid}/comm").read_bytes().rstrip(b"\n") == _name(instance_id)
    except OSError:  # it has ended, or is another user's
        return False


def _environment(pid: int) -> bytes:
    for _ in range(EXEC):
        if environment := Path(f"/proc/{pid}/environ").read_bytes():
            return environment
        time.sleep(0.001)
    return b""


def _name(instance_id: str) -> bytes:
    """Of a process: the kernel keeps 15 bytes, too few for an id."""
    return b"sth-" + hashlib.sha256(instance_id.encode()).hexdigest()[:11].encode()


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
