"""Input is application/x-ndjson, a number a line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input


async def run(context: Context, input: Input[float]) -> AsyncIterator[float]:
    async for number in input:
        if number < 0:
            raise ValueError(f"{number} is negative")
        yield number
