"""Numbers its input's lines; `count` in the configuration is the number of the first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input


async def run(context: Context, input: Input[str]) -> AsyncIterator[str]:
    number = context.config.get("count", 1)
    async for line in input:
        context.logger.debug("line %d", number)
        yield f"{number}: {line}"
        number += 1
