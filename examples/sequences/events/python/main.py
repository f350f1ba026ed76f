"""Goes on until it is stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input


async def run(context: Context, input: Input[str], *args: object) -> None:
    context.on("celsius", lambda degrees: context.emit("fahrenheit", float(degrees) * 9 / 5 + 32))
    context.logger.info("Waiting for events")
    await asyncio.Event().wait()
