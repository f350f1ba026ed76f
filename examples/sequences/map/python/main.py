"""Input is application/x-ndjson, one item a line; so is the output."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transform_hub import Context, Input


async def run(context: Context, input: Input[dict[str, Any]], tax: float = 0.23) -> AsyncIterator[dict[str, Any]]:
    async for item in input:
        yield {**item, "gross": round(item["price"] * (1 + tax), 2)}
