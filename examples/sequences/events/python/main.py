"""Goes on until it is stopped."""

import asyncio


async def run(context, input, *args):
    context.on("celsius", lambda degrees: context.emit("fahrenheit", float(degrees) * 9 / 5 + 32))
    context.logger.info("Waiting for events")
    await asyncio.Event().wait()
