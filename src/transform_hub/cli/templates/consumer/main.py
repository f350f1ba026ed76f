"""Reads values from a topic, and gives the sum of what has come so far."""

requires = {"requires": "numbers", "contentType": "application/x-ndjson"}


async def run(context, input):
    total = 0
    async for value in input:
        total += value
        yield f"{total}\n"
