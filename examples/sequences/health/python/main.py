"""Goes on until it is stopped."""

import asyncio


async def run(context, input):
    healthy = True

    def set_health(value):
        nonlocal healthy
        healthy = value

    context.on("fail", lambda message: set_health(False))
    context.on("recover", lambda message: set_health(True))
    context.set_health_check(lambda: {"healthy": healthy})
    await asyncio.Event().wait()
