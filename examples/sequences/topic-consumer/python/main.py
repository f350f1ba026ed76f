"""Goes on until it is stopped. `input_topic` of the start gives the topic another name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transform_hub import Context, Input

requires = {"requires": "readings", "contentType": "application/x-ndjson"}


async def run(context: Context, input: Input[dict[str, Any]]) -> AsyncIterator[dict[str, float]]:
    count = total = 0
    async for value in input:
        count += 1
        total += value["reading"]
        yield {"count": count, "mean": total / count}
