"""The requests that the Hub is answering, and how many it has answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator


class Requests:
    """Counts requests.

    Attributes:
        open: how many are being answered, by operation.
        answered: how many were answered, by operation and status; 0 for those whose client went away.
    """

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self.answered: Counter[tuple[str, int]] = Counter()
        self._closed = asyncio.Event()

    @contextlib.contextmanager
    def counted(self, operation: str) -> Iterator[Answered]:
        """For as long as a request is open."""
        self.open[operation] += 1
        answered = Answered()
        try:
            yield answered
        finally:
            self.open[operation] -= 1
            self.answered[operation, answered.status] += 1
            self._closed.set()

    async def none_open(self, operations: Iterable[str]) -> None:
        """Wait until none of these is open."""
        watched = tuple(operations)
        while any(self.open[operation] for operation in watched):
            self._closed.clear()
            await self._closed.wait()


class Answered:
    """What a request was answered with."""

    status = 0
