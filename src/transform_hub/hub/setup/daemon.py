"""A Hub that has a process to itself: what ``sth`` runs.

    opening ──"API on"──> starting up ──"Running!"──> running ──┬─ signal ───────────────────> closing ──> exit
                                                                └─ the last Instance is gone ─>

Exit codes, as STH has them: 0; 101 with ``--exit-with-last-instance`` if none was started; the signal's number with
``--kill-on-exit``. SIGHUP makes the Hub read its files again, unless the terminal has hung up.
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
from typing import Any, TypeVar

from transform_hub.hub.config import DaemonConfig, HealthConfig
from transform_hub.hub.observability.health_server import HealthServer
from transform_hub.hub.observability.notify import Notifier
from transform_hub.hub.server import Hub
from transform_hub.hub.setup.startup import Startup, read_startup, start_all
from transform_hub.hub.shutdown import shut_down
from transform_hub.hub.temporary import STARTUP, temporary_directory
from transform_hub.privacy import hide_memory

log = logging.getLogger(__name__)

T = TypeVar("T")

NOTHING_STARTED = 101

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def run(config: DaemonConfig) -> int:
    """Run a Hub until it is told to end.

    Returns:
        The exit code.

    Raises:
        HubStartError: the Hub can't start, or its startup configuration is wrong; nothing has been started then.
    """
    hide_memory()
    _raise_descriptor_limit()
    signals = _StopSignals()
    stop = signals.first
    notifier = Notifier(os.environ)
    if not config.identify_existing:
        log.warning("The Sequences that are there are always found")
    with notifier.alive(), temporary_directory(STARTUP) as workspace:
        startup = Startup()
        if config.startup_config is not None:
            startup = await asyncio.to_thread(read_startup, config.startup_config, workspace, config.limits)
        async with _health(config.health) as health, _running(config) as hub:
            signals.hub = hub
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _hung_up, hub, _has_terminal())
            starting = start_all(startup, sequences=hub.sequences, instances=hub.instances, topics=hub.topics)
            started = await _until(stop, starting)
            if not stop.done():
                hub.readiness.begin()
                _say("Running!")
                notifier.ready()
            with health.ready() if health else contextlib.nullcontext():
                code = await _life(hub, config, stop, started=bool(started))
            notifier.stopping()
            await shut_down(hub.readiness, hub.instances, hub.requests, timeout_ms=config.shutdown_timeout_ms)
    return stop.result() if stop.done() and config.kill_on_exit else code


async def _life(hub: Hub, config: DaemonConfig, stop: asyncio.Future[int], *, started: bool) -> int:
    if not config.exit_with_last_instance:
        await stop
    elif started or hub.instances:
        await _until(stop, hub.instances.last_gone())
    elif not stop.done():
        log.error("Nothing was started, so there is nothing to wait for")
        return NOTHING_STARTED
    return 0


def _raise_descriptor_limit() -> None:
    """To the most that the system grants: a hundred Instances take the usual 1024, seven each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _StopSignals:
    """SIGINT and SIGTERM: the first asks the Hub to end, the second kills its runners and ends the process at once.

    Attributes:
        first: set to the number of the first.
        hub: whose runners are killed; None before there is one.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.first: asyncio.Future[int] = self._loop.create_future()
        self.hub: Hub | None = None
        for number in _SIGNALS:
            self._loop.add_signal_handler(number, self._on_first, int(number))

    def _on_first(self, number: int) -> None:
        for each in _SIGNALS:
            self._loop.remove_signal_handler(each)
            signal.signal(each, self._on_second)  # outside of the event loop, which may be what hangs
        self.first.set_result(number)
        log.info("Stopping")

    def _on_second(self, number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        try:
            if self.hub is not None:
                for instance_id in [*self.hub.instances]:
                    self.hub.runtime.kill(instance_id)
        finally:
            os.kill(os.getpid(), number)


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
    """The result of some work; None if the Hub is told to end before it is done."""
    task = asyncio.ensure_future(work)
    both: set[asyncio.Future[Any]] = {task, stop}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task})
    return None


@contextlib.asynccontextmanager
async def _running(config: DaemonConfig) -> AsyncIterator[Hub]:
    hub = Hub(config)
    try:
        await hub.start(ready=False)
        _say(f"API on {hub.url.removesuffix('/api/v1')}")
        yield hub
    finally:
        await hub.close()


@contextlib.asynccontextmanager
async def _health(config: HealthConfig | None) -> AsyncIterator[HealthServer | None]:
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
    """Print a line for scripts; their end of the pipe may be closed by now."""
    try:
        print(line, flush=True)  # noqa: T201
    except BrokenPipeError:
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123 - a file descriptor is wanted
            os.dup2(nothing.fileno(), sys.stdout.fileno())
