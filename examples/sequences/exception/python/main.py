"""Input is application/x-ndjson, a number a line."""


async def run(context, input):
    async for number in input:
        if number < 0:
            raise ValueError(f"{number} is negative")
        yield number
