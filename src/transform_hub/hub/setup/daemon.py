"""A Hub that has a process to itself: what ``sth`` runs.

    opening ──"API on"──> starting up ──"Running!"──> running ──┬─ signal ───────────────────> closing ──> exit
                                                                └─ the last Instance is gone ─>

Exit codes: 0 for an end that was asked for, 101 if it should end with the last Instance and none was started,
the signal's number if it was told to kill on exit, as STH does then. SIGHUP has it read its files again, unless it
is the terminal that hangs up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from transform_hub.hub.access.privacy import hide_memory
from transform_hub.hub.config import HealtzConfig, HubConfig
from transform_hub.hub.observability.health_server import HealthServer
from transform_hub.hub.observability.notify import Notifier
from transform_hub.hub.server import Hub
from transform_hub.hub.setup.startup import Startup, read_startup, start_all
from transform_hub.hub.shutdown import shut_down

log = logging.getLogger(__name__)

T = TypeVar("T")

NOTHING_STARTED = 101

SHUTDOWN_TIMEOUT_MS = 5000

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def run(
    config: HubConfig,
    *,
    startup_config: Path | None = None,
    healtz: HealtzConfig | None = None,
    kill_on_exit: bool = False,
    shutdown_timeout_ms: int = SHUTDOWN_TIMEOUT_MS,
) -> int:
    """Run a Hub until it is told to end.

    Args:
        config: its settings.
        startup_config: file that says what to start with it.
        healtz: where to tell its health.
        shutdown_timeout_ms: ms that Instances have to stop when the Hub ends, before they are killed.
        kill_on_exit: exit with the number of the signal that ended it. Its Instances end with it anyway.

    Returns:
        The exit code.

    Raises:
        HubStartError: it can't be started, or the file is not right; nothing has been started then.
    """
    hide_memory()
    _allow_descriptors()
    stop = _stop_signal()
    notifier = Notifier(os.environ)
    with notifier.alive(), TemporaryDirectory(prefix="sth-startup-") as workspace:
        startup = Startup()
        if startup_config is not None:
            startup = await asyncio.to_thread(read_startup, startup_config, Path(workspace), config.limits)
        async with _health(healtz) as health, _running(config) as hub:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _hung_up, hub, _has_terminal())
            started = await _until(stop, start_all(hub, startup))
            if not stop.done():
                hub.readiness.begin()
                _say("Running!")
                notifier.ready()
            with health.ready() if health else contextlib.nullcontext():
                code = await _life(hub, stop, started=bool(started))
            notifier.stopping()
            await shut_down(hub.readiness, hub.instances, hub.requests, timeout_ms=shutdown_timeout_ms)
    return stop.result() if stop.done() and kill_on_exit else code


async def _life(hub: Hub, stop: asyncio.Future[int], *, started: bool) -> int:
    if not hub.config.exit_with_last_instance:
        await stop
    elif started or hub.instances:
        await _until(stop, hub.instances.last_gone())
    elif not stop.done():
        log.error("Nothing was started, so there is nothing to wait for")
        return NOTHING_STARTED
    return 0


def _allow_descriptors() -> None:
    """Open as many as the system lets us: the usual 1024 are used up by a hundred Instances, seven each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _stop_signal() -> asyncio.Future[int]:
    """Has the number of the signal that asked for the end; a second one does not wait for it."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[int] = loop.create_future()

    def stopped(number: int) -> None:
        for each in _SIGNALS:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)  # the second ends the process at once, whatever it waits for
        stop.set_result(number)
        log.info("Stopping")

    for number in _SIGNALS:
        loop.add_signal_handler(number, stopped, int(number))
    return stop


def _hung_up(hub: Hub, had_terminal: bool) -> None:  # noqa: FBT001 - of a signal handler
    if had_terminal and not _has_terminal():
        signal.raise_signal(signal.SIGTERM)
    else:
        hub.reload()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


async def _until(stop: asyncio.Future[int], work: Awaitable[T]) -> T | None:
    """Do something, but not longer than until the end is asked for."""
    task = asyncio.ensure_future(work)
    both: set[asyncio.Future[Any]] = {task, stop}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    return None


@contextlib.asynccontextmanager
async def _running(config: HubConfig) -> AsyncIterator[Hub]:
    hub = Hub(config)
    try:
        await hub.start(ready=False)
        _say(f"API on {hub.url.removesuffix('/api/v1')}")
        yield hub
    finally:
        await hub.close()


@contextlib.asynccontextmanager
async def _health(config: HealtzConfig | None) -> AsyncIterator[HealthServer | None]:
    if config is None:
        yield None
        return
    health = HealthServer(config.host, config.port, config.path)
    log.info("Health on %s", await health.start())
    try:
        yield health
    finally:
        await health.close()


def _say(line: str) -> None:
    """Print a line that scripts look for; whoever does may have read enough and gone."""
    try:
        print(line, flush=True)  # noqa: T201
    except BrokenPipeError:
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - no path of anybody
            os.dup2(nothing.fileno(), sys.stdout.fileno())
