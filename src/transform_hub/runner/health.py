"""The Instance's health, as its Sequence's checks answer.

    unknown ──checks are set──> asked ──they answer──> known; asked again with each heartbeat
       │                          └── PATIENCE s without an answer ──> unhealthy
       └── run() waits for something, or has run for SETTLING s, and no checks are set ──> healthy

While the health is unknown no heartbeat is sent, and the Hub lets ``GET /health`` wait.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import Any

from transform_hub.protocol import Message
from transform_hub.runner import serialize
from transform_hub.runner.exit_status import describe

Answer = dict[str, Any] | bool
HealthCheck = Callable[[], Awaitable[Answer] | Answer]

PATIENCE = 5.0
"""Seconds that checks have for their first answer."""

SETTLING = 1.0
"""Seconds that a ``run`` which blocks the event loop has to set its checks."""

IN_TIME = 0.05
"""Seconds that a heartbeat waits for the answer, before it goes out with the one before."""


class Health:
    """Asks the checks in the event loop, for heartbeats that another thread sends.

    Args:
        loop: the Sequence's event loop.
        send: sends a message to the Hub, from any thread.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Callable[[Message], None]) -> None:
        self._loop = loop
        self._send = send
        self._checks: list[HealthCheck] = []
        self._latest: dict[str, Any] | None = None
        self._unknown_since: float | None = None
        self._asking: asyncio.Task[None] | None = None
        self._answered = threading.Event()

    def set_checks(self, *checks: HealthCheck) -> None:
        """Replace all checks; these are asked at once."""
        self._checks = list(checks)
        self._latest = None
        self._unknown_since = monotonic()
        self._loop.call_soon_threadsafe(self._ask_anew)

    def add_check(self, check: HealthCheck) -> None:
        """Add a check; all of them are asked at once."""
        self.set_checks(*self._checks, check)

    def begin(self) -> None:
        """The task that calls ``run`` was made: without checks the Instance is healthy when that first waits."""
        self._unknown_since = monotonic()
        self._loop.call_soon(self._settle)

    def beat(self) -> dict[str, Any] | None:
        """The health for a heartbeat, None if it is unknown; called in the control thread."""
        if self._checks:
            self._answered.clear()
            self._loop.call_soon_threadsafe(self._ask)
            self._answered.wait(IN_TIME)
        if self._latest is not None or self._unknown_since is None:
            return self._latest
        unknown_for = monotonic() - self._unknown_since
        if self._checks and unknown_for > PATIENCE:
            return {"healthy": False, "error": f"The health check has not answered for {PATIENCE:.0f} s"}
        return {"healthy": True} if unknown_for > SETTLING and not self._checks else None

    def _settle(self) -> None:
        if not self._checks:
            self._latest = {"healthy": True}
            self._send({"type": "health", "health": self._latest})

    def _ask_anew(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        self._ask()

    def _ask(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = self._loop.create_task(self._answer())

    async def _answer(self) -> None:
        health = await ask(self._checks)
        if asyncio.current_task() is not self._asking:  # other checks were set meanwhile
            return
        is_first, self._latest = self._latest is None, health
        self._answered.set()
        if is_first:
            self._send({"type": "health", "health": health})


async def ask(checks: Iterable[HealthCheck]) -> dict[str, Any]:
    """The answers of checks, merged; healthy is what all call healthy."""
    health: dict[str, Any] = {"healthy": True}
    for check in list(checks):
        said = await _ask(check)
        health = {**health, **said, "healthy": health["healthy"] and said.get("healthy", True)}
    return health


async def _ask(check: HealthCheck) -> dict[str, Any]:
    """The answer of one check; a check that fails is unhealthy."""
    try:
        answer = check()
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, bool):
            return {"healthy": answer}
        return {**serialize.plain(answer or {})[0]}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the check's own failure
        return {"healthy": False, "error": describe(error)}
