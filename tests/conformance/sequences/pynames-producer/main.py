import asyncio
import itertools

provides = {"provides": "pynames", "contentType": "application/x-ndjson"}


async def run(context, input):
    for number in itertools.count():
        yield {"i": number}
        await asyncio.sleep(0.01)
