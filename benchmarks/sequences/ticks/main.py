import asyncio


async def run(context, input):
    while True:
        yield "tick\n"
        await asyncio.sleep(1)
