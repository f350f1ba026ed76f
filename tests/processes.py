"""What the system knows of processes."""

import psutil

from until import steady, until


def alive(process):
    """Whether it runs; one that nobody has waited for yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(*processes):
    """Wait until none of them runs any more."""
    await until(lambda: not any(map(alive, processes)))


def idle(process):
    """A condition: all threads of a process sleep, look after look; one that waits for a busy machine does not."""

    def sleeps():
        states = [psutil.Process(thread.id).status() for thread in process.threads()]
        return set(states) == {psutil.STATUS_SLEEPING}

    return steady(sleeps)
