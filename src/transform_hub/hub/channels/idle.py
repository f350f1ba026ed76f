"""When a stream has been idle for a while: what is kept of it only to go on at is given back then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

IDLE = 30.0
"""Seconds without a byte, or a reader that gets on, after which a stream is idle."""

KEPT = 128 * 1024
"""Bytes of an idle stream, had by all its readers, that stay to go on at."""


class IdleTimer:
    """Calls back once when nothing has happened for a time between one and two times :data:`IDLE`.

    Args:
        position: a number that grows with what happens.
        on_idle: what is called.
    """

    def __init__(self, position: Callable[[], int], on_idle: Callable[[], object]) -> None:
        self._position, self._on_idle = position, on_idle
        self._timer: asyncio.TimerHandle | None = None
        self._seen = 0

    def touch(self) -> None:
        """Something has happened."""
        if self._timer is None:
            self._wait()

    def _wait(self) -> None:
        self._seen = self._position()
        self._timer = asyncio.get_running_loop().call_later(IDLE, self._look)

    def _look(self) -> None:
        if self._position() == self._seen:
            self._timer = None
            self._on_idle()
        else:
            self._wait()

    def cancel(self) -> None:
        """Call no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
