"""The Instance's health, as its Sequence's checks answer.

    unknown ──checks are set──> asked ──they answer──> known; asked again with each heartbeat
       └── run() waits for something, and no checks are set ──> healthy

While the health is unknown no heartbeat is sent: the Hub decides what that means. A heartbeat tells how old the answer
is, since a Sequence may block the event loop that gives it.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic
from typing import Any, NamedTuple

from transform_hub.protocol import Message, encode, require_bounded
from transform_hub.runner import serialize
from transform_hub.runner.exit_status import describe

Answer = dict[str, Any] | bool
HealthCheck = Callable[[], Awaitable[Answer] | Answer]

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
        self._times_set = 0
        self._known: _Known | None = None
        self._asking: asyncio.Task[None] | None = None
        self._answered = threading.Event()

    def set_checks(self, *checks: HealthCheck) -> None:
        """Replace all checks; these are asked at once."""
        self._checks = list(checks)
        self._known = None
        self._times_set += 1
        self._send({"type": "checks", "checks": self._times_set})
        self._loop.call_soon_threadsafe(self._ask_anew)

    def add_check(self, check: HealthCheck) -> None:
        """Add a check; all of them are asked at once."""
        self.set_checks(*self._checks, check)

    def begin(self) -> None:
        """The task that calls ``run`` was made: without checks the Instance is healthy when that first waits."""
        self._loop.call_soon(self._settle)

    def beat(self) -> Message | None:
        """The heartbeat, None if the health is unknown; called in the control thread."""
        if self._checks:
            self._answered.clear()
            self._loop.call_soon_threadsafe(self._ask)
            self._answered.wait(IN_TIME)
        elif self._known is not None:
            self._loop.call_soon_threadsafe(self._go_on)
        known = self._known
        return known.message() if known is not None else None

    def _settle(self) -> None:
        if not self._checks:
            self._know({"healthy": True}, self._times_set)

    def _go_on(self) -> None:
        if not self._checks and self._known is not None:
            self._know(self._known.health, self._known.times_set)

    def _know(self, health: dict[str, Any], times_set: int) -> None:
        is_first = self._known is None
        known = self._known = _Known(health, monotonic(), times_set)
        if is_first:
            self._send(known.message())

    def _ask_anew(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        self._ask()

    def _ask(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = self._loop.create_task(self._answer())

    async def _answer(self) -> None:
        times_set = self._times_set
        health = await ask(self._checks)
        if asyncio.current_task() is not self._asking:  # other checks were set meanwhile
            return
        self._know(health, times_set)
        self._answered.set()


class _Known(NamedTuple):
    """What checks have answered, when, and how often checks had been set by then."""

    health: dict[str, Any]
    at: float
    times_set: int

    def message(self) -> Message:
        age = round((monotonic() - self.at) * 1000)
        return {"type": "health", "health": self.health, "age": age, "checks": self.times_set}


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
        health: dict[str, Any] = {**serialize.plain(answer or {})[0]}
        require_bounded(encode(health))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the check's own failure
        return {"healthy": False, "error": describe(error)}
    return health
