"""How late the event loop is: a timer that looks how much later than it should it is called.

Everything the Hub does goes through one event loop; what it is late by, every request and stream waits.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left

INTERVAL = 0.25
"""Seconds between two looks."""

BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds up to which a lag is counted in each bucket; one more is for all that is longer."""


class LoopLag:
    """Measures the lag of the running event loop.

    Attributes:
        counts: how many looks were in each bucket.
        total: the sum of all lags in seconds.
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + INTERVAL, self._look, loop.time() + INTERVAL)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, due: float) -> None:
        lag = max(0.0, asyncio.get_running_loop().time() - due)
        self.counts[bisect_left(BOUNDS, lag)] += 1
        self.total += lag
        self.start()
