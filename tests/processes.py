"""What the system knows of processes."""

import os
import shutil
import sys

import psutil
import pytest

from until import steady, until


def alive(process):
    """Whether it runs; one that nobody has waited for yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def without_capabilities():
    """What a command is put behind to have no more rights than its user, root included."""
    if sys.platform != "linux":
        pytest.skip("only Linux hides processes from others of their user")
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv, to be root without its capabilities")
    return ["setpriv", "--securebits=+noroot", "--inh-caps=-all", "--bounding-set=-all"]


async def gone(*processes):
    """Wait until none of them runs any more."""
    await until(lambda: not any(map(alive, processes)))


def idle(process):
    """A condition: all threads of a process sleep, look after look; one that waits for a busy machine does not."""

    def sleeps():
        states = [psutil.Process(thread.id).status() for thread in process.threads()]
        return set(states) == {psutil.STATUS_SLEEPING}

    return steady(sleeps)
