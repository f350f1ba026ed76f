"""What the system knows of processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from processes import alive
from stress.stage import Skipped
from until import until


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


async def all_gone(processes: list[psutil.Process], seconds: float) -> None:
    """Wait until no process of these is left.

    Raises:
        AssertionError: some are, after all this time.
    """
    await within(seconds, lambda: not any(map(alive, processes)), f"end of {processes}")


async def within(seconds: float, condition: Callable[[], object], what: str) -> None:
    """Wait until ``condition()`` holds.

    Raises:
        AssertionError: it does not, after all this time.
    """
    try:
        await asyncio.wait_for(until(condition, pause=0.01), seconds)
    except asyncio.TimeoutError:
        raise AssertionError(f"not within {seconds:.0f} s: {what}") from None
