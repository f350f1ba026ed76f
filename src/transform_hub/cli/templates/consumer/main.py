"""Reads values from a topic, and gives the sum of what has come so far."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input

requires = {"requires": "numbers", "contentType": "application/x-ndjson"}


async def run(context: Context, input: Input[int]) -> AsyncIterator[str]:
    total = 0
    async for value in input:
        total += value
        yield f"{total}\n"
