"""Tells mean, extremes and number of readings of each sensor, a window at a time.

Input is application/x-ndjson, a reading a line; the output has a line for each sensor in each window.

    args     [seconds, count]    a window ends with what comes first (default 10, 1000)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from transform_hub import Context, Input


def statistics(readings: list[dict[str, Any]]) -> pd.DataFrame:
    by_sensor = pd.DataFrame(readings).groupby("sensor")
    found = by_sensor["celsius"].agg(["count", "mean", "min", "max"]).round(2)
    return found.assign(until=by_sensor["at"].max())


async def run(
    context: Context, input: Input[dict[str, Any]], seconds: float = 10, count: int = 1000
) -> AsyncIterator[pd.DataFrame]:
    async for readings in input.window(seconds=seconds, count=count):
        yield statistics(readings)
