"""Writes a value a second to a topic; its argument says how many."""

import asyncio

provides = {"provides": "ticks", "contentType": "application/x-ndjson"}


async def run(context, input, count=10):
    for number in range(count):
        yield {"tick": number}
        await asyncio.sleep(1)
