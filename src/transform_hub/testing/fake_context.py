"""A ``context`` without a Hub."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
import weakref
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transform_hub.protocol import Message
from transform_hub.runner import health
from transform_hub.runner.context import Context, Sleep
from transform_hub.testing.fake_input import let_readers_fail

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient


_NOWHERE = {"hub": "", "secret": "", "dir": "", "main": ""}
"""What only a Hub can tell."""


class FakeContext(Context):
    """The context of a unit test: a runner's own, but what goes to the Hub is kept.

    Args:
        config: what ``context.config`` is.
        instance_id: what ``context.instance_id`` is.
        hub: what ``context.hub`` is, a client of a Hub or an object of the test.
        secrets: what ``context.secrets`` is.
        data_dir: what ``context.data_dir`` is; by default a directory that is deleted with this object.
        cache_dir: what ``context.cache_dir`` is; the same.

    Attributes:
        events: name and message of each event that was emitted.
        log: level (``"INFO"``, ``"WARN"``, ...) and text of each entry.
        kept_alive: seconds of each ``keep_alive``.
    """

    def __init__(
        self,
        config: dict[str, Any] | None = None,
        *,
        instance_id: str = "test",
        hub: HostClient | Any = None,
        secrets: dict[str, str] | None = None,
        data_dir: Path | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        self.events: list[tuple[str, Any]] = []
        self.log: list[tuple[str, str]] = []
        self.kept_alive: list[float] = []
        self._checks = _Checks()
        spec = {
            "id": instance_id,
            "config": config,
            "secrets": secrets or {},
            "data_dir": data_dir or self._temporary(),
            "cache_dir": cache_dir or self._temporary(),
            **_NOWHERE,
        }
        super().__init__(spec, self._keep, self._checks)
        self._hub = hub
        self.logger = logging.Logger("PythonRunner", 1)  # noqa: LOG001 - each context has its own
        self.logger.parent = logging.root  # so that pytest captures the entries, too
        self.log_handler = _Kept(self.log)
        self.logger.addHandler(self.log_handler)
        with contextlib.suppress(RuntimeError):  # a test that is not async has no streams
            let_readers_fail()

    @property
    def hub(self) -> HostClient:
        """The client that this context was made with."""
        if self._hub is None:
            raise RuntimeError("this context has no Hub: make it with FakeContext(hub=...)")
        return self._hub

    async def fire(self, event_name: str, message: Any = "", *, source: str = "api") -> None:
        """Call the listeners of an event, as if the Hub had sent it.

        A listener that fails is logged, as in a runner.

        Args:
            event_name: which listeners to call.
            message: what they are given.
            source: what ``context.event_source`` is: an Instance's id, or ``"api"``.
        """
        await asyncio.create_task(self._deliver(event_name, message, source))  # the source is for this delivery alone

    async def stop(self, timeout: float = 7.0, *, can_keep_alive: bool = False) -> bool:
        """Call the stop handlers.

        Args:
            timeout: seconds that they are told.
            can_keep_alive: what they are told.

        Returns:
            Whether the Instance would go on.
        """
        self._stopping = True
        return await self._stop(timeout, can_keep_alive)

    async def kill(self) -> None:
        """Call the kill handlers."""
        await self._kill()

    async def get_health(self) -> dict[str, Any]:
        """What ``GET /health`` would answer."""
        return await health.ask(self._checks.checks)

    def keep_alive(self, timeout: float = 0) -> Coroutine[Any, Any, None]:
        """Ask to go on, which is kept; awaiting it does not sleep."""
        self.kept_alive.append(timeout)
        self._stopping = False
        self._keep_alive_calls += 1
        return Sleep(0)

    def _temporary(self) -> str:
        folder = tempfile.mkdtemp(prefix="sequence-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _keep(self, message: Message) -> None:
        self.events.append((message["eventName"], message["message"]))


class _Checks(health.Health):
    def __init__(self) -> None:
        self.checks: list[health.HealthCheck] = []

    def set_checks(self, *checks: health.HealthCheck) -> None:
        self.checks = list(checks)

    def add_check(self, check: health.HealthCheck) -> None:
        self.checks.append(check)


class _Kept(logging.Handler):
    def __init__(self, log: list[tuple[str, str]]) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = "WARN" if record.levelname == "WARNING" else record.levelname
        self._log.append((level, record.getMessage()))
