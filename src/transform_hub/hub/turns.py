"""Long work in short turns, between which the event loop does everything else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

TURN = 0.002
"""Seconds after which work gives way."""


class Turns:
    """Who has a long list to go through does it here: one turn at a time, however many there are."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def each(self, do: Callable[[T], object], items: Iterable[T]) -> None:
        """Call a function, which is quick, with each item; what is iterated over must not change meanwhile."""
        left, there_are_more = iter(items), True
        while there_are_more:
            async with self._turn:
                there_are_more = _take_turn(do, left)
                await asyncio.sleep(0)  # with the lock: else many works would each have a turn before anything else


def _take_turn(do: Callable[[T], object], items: Iterable[T]) -> bool:
    """Whether there may be more items when the turn is over."""
    until = time.perf_counter() + TURN
    for item in items:
        do(item)
        if time.perf_counter() >= until:
            return True
    return False
