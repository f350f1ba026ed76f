"""Writes a value a second to a topic; its argument says how many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input

provides = {"provides": "ticks", "contentType": "application/x-ndjson"}


async def run(context: Context, input: Input[str], count: int = 10) -> AsyncIterator[dict[str, int]]:
    for number in range(count):
        yield {"tick": number}
        await asyncio.sleep(1)
