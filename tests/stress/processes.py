"""What the system knows of processes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from stress.stage import Skipped


@contextlib.contextmanager
def allowed() -> Iterator[None]:
    """Take it for a lack of the machine if a process may not be looked at: a Hub hides itself from its own user."""
    try:
        yield
    except PermissionError as refusal:
        raise Skipped("needs to look into the Hub's process: run it as root") from refusal


def pss(pid: int) -> int:
    """Bytes of memory a process has: its own, and its share of what it has with others."""
    with allowed():
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"process {pid} has no Pss")


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    with allowed():
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; one that nobody has waited for yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def all_gone(processes: list[psutil.Process], seconds: float) -> None:
    """Wait until no process of these is left.

    Raises:
        AssertionError: some are, after all this time.
    """
    deadline = time.monotonic() + seconds
    while left := [process for process in processes if is_alive(process)]:
        assert time.monotonic() < deadline, f"left after {seconds:.0f} s: {left}"
        await asyncio.sleep(0.01)


async def until(condition, seconds: float, what: str) -> None:
    """Wait until ``condition()`` holds.

    Raises:
        AssertionError: it does not, after all this time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(0.01)
