"""Goes on until it is stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input


async def run(context: Context, input: Input[str]) -> None:
    healthy = True

    def set_health(value: bool) -> None:
        nonlocal healthy
        healthy = value

    context.on("fail", lambda message: set_health(False))
    context.on("recover", lambda message: set_health(True))
    context.set_health_check(lambda: {"healthy": healthy})
    await asyncio.Event().wait()
