"""Ends the daemons that a Sequence leaves behind outside its process group.

    Sequence ── starts ──> process ── setsid, its parent ends ──> daemon, from now on a child of the zygote

On Linux the zygote is a "child subreaper": it inherits every descendant that loses its parent, and ends it with its
Instance. The environment, which every program inherits, names the Instance, or else the process's name, which a fork
keeps. A daemon that has shed both lives until the zygote ends.
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

from transform_hub.protocol import MARK

EXEC = 20
"""Milliseconds for which a process may show no environment, because it is in the middle of an exec."""

_PR_SET_CHILD_SUBREAPER = 36


def adopt() -> None:
    """Become the parent of every descendant that loses its own; does nothing outside Linux."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def sign(instance_id: str) -> None:
    """Name this process, and its forks, after an Instance."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_bytes(_name(instance_id))


def end(instance_id: str, *, known: Collection[int]) -> list[int]:
    """Kill the orphans of an Instance.

    Args:
        instance_id: its id.
        known: children that are not orphans.

    Returns:
        The killed processes. Their own children become orphans in turn: call again when each has ended.
    """
    orphans = [pid for pid in _children() if pid not in known and _belongs(pid, instance_id)]
    for pid in orphans:
        _kill(pid)
    return orphans


def end_all() -> None:
    """Kill all descendants of this process and wait until they are gone."""
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
    except OSError:  # it has ended, or belongs to another user
        return False


def _environment(pid: int) -> bytes:
    for _ in range(EXEC):
        if environment := Path(f"/proc/{pid}/environ").read_bytes():
            return environment
        time.sleep(0.001)
    return b""


def _name(instance_id: str) -> bytes:
    # The kernel keeps 15 bytes of a process's name, too few for an id.
    return b"sth-" + hashlib.sha256(instance_id.encode()).hexdigest()[:11].encode()


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
