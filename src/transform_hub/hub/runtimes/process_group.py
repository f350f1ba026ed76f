"""A runner and what it has started: the process group that it leads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable


def watch_orphan(pid: int, on_gone: Callable[[], None]) -> None:
    """Notice the end of a runner that is nobody's child any more, and end what it leaves behind.

    Args:
        pid: of the runner, which is ended where it can't be watched.
        on_gone: called when it has ended; with which exit code can't be known.
    """
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        loop.call_soon(on_gone)
        return
    except (AttributeError, OSError):  # not every system has it, nor has every process descriptors left
        kill_runner(pid)
        loop.call_soon(on_gone)
        return

    def readable() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        kill_group(pid)
        on_gone()

    loop.add_reader(descriptor, readable)


def kill_runner(pid: int) -> None:
    """End a runner and what it has started."""
    kill_group(pid)
    # A runner leads its own group from its first step on; before that, only the process itself can be meant.
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def kill_group(pid: int) -> None:
    """End what a runner has started, and the runner if it leads its group already."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
