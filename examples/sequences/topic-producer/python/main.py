"""Needs no input. `output_topic` of the start gives the topic another name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transform_hub import Context, Input

provides = {"provides": "readings", "contentType": "application/x-ndjson"}


async def run(context: Context, input: Input[str], count: int = 3) -> AsyncIterator[dict[str, Any]]:
    for number in range(1, count + 1):
        yield {"sensor": "attic", "reading": number * 10}
