"""How late the event loop is, measured by a timer.

Everything in the Hub goes through one event loop: every request and stream waits as long as the loop is late.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left

INTERVAL = 0.25
"""Seconds between two measurements."""

BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the buckets in seconds; one more bucket is for longer lags."""


class LoopLag:
    """Measures the lag of the running event loop.

    Attributes:
        counts: measurements in each bucket.
        total: the sum of all lags in seconds.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + INTERVAL, self._measure, loop.time() + INTERVAL)

    def close(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _measure(self, due: float) -> None:
        lag = max(0.0, asyncio.get_running_loop().time() - due)
        self.counts[bisect_left(BOUNDS, lag)] += 1
        self.total += lag
        self.start()
