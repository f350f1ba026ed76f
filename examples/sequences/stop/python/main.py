"""The first stop that allows it is answered with a request for more time, any other is obeyed."""

import asyncio


async def run(context, input):
    finished = asyncio.Event()
    asked = False

    async def on_stop(timeout, can_keep_alive):
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
