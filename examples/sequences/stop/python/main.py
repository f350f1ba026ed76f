"""The first stop that allows it is answered with a request for more time, any other is obeyed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input


async def run(context: Context, input: Input[str]) -> None:
    finished = asyncio.Event()
    asked = False

    async def on_stop(timeout: float, can_keep_alive: bool) -> None:
        nonlocal asked
        if can_keep_alive and not asked:
            asked = True
            context.logger.info("Not yet")
            await context.keep_alive(timeout)
        else:
            finished.set()

    context.set_stop_handler(on_stop)
    await finished.wait()
    print("finished", flush=True)
