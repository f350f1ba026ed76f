"""What a Hub knows of the health of one run.

    unknown ──the Sequence answers──> known ──it sets other checks──> unknown
       ├── it has run for SETTLING s without a word, and has set no checks ──> healthy
       └── it has not answered for PATIENCE s: whoever asks is told so

A Sequence that keeps its event loop, or Python's lock, for itself sends nothing. That it is alive the Hub knows from
its process and its control channel; how its health was, and how long ago, from the latest answer.
"""

from __future__ import annotations

import asyncio
from typing import Any

from transform_hub.hub.instances.messages import Checks, Heartbeat

SETTLING = 1.0
"""Seconds that a Sequence which blocks its event loop has to set its checks."""

PATIENCE = 5.0
"""Seconds after which a question for the health is answered at the latest."""


class Health:
    """The latest answer of a Sequence's health checks."""

    def __init__(self) -> None:
        self._answer: dict[str, Any] | None = None
        self._answered_at = 0.0
        self._checks = 0
        self._unknown_since: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether the Sequence has answered."""
        return self._answer is not None

    @property
    def patience(self) -> float:
        """Seconds that an answer is worth waiting for."""
        return PATIENCE if self._unknown_since is None else max(self._unknown_since + PATIENCE - _now(), 0)

    def begin(self) -> None:
        """The Sequence is loaded and about to be called."""
        self._unknown_since = _now()

    def settle(self) -> None:
        """It has run for SETTLING seconds."""
        if self._answer is None and not self._checks:
            self._take({"healthy": True}, age=SETTLING)

    def set_checks(self, message: Checks) -> None:
        """The Sequence has set its checks."""
        self._checks = message.checks
        self._answer = None
        self._unknown_since = _now()

    def receive(self, message: Heartbeat) -> None:
        """Take an answer, unless it is that of earlier checks."""
        if message.checks >= self._checks:
            self._take(message.health, age=message.age / 1000)

    def _take(self, answer: dict[str, Any], *, age: float) -> None:
        self._answer = answer
        self._answered_at = _now() - age

    def tell(self) -> dict[str, Any]:
        """The answer and its age in ms."""
        if self._answer is not None:
            return {"healthy": False, **self._answer, "answeredAgo": round((_now() - self._answered_at) * 1000)}
        who = "health check" if self._checks else "Sequence"
        return {"healthy": False, "error": f"The {who} has not answered for {PATIENCE:.0f} s"}


def _now() -> float:
    return asyncio.get_running_loop().time()
