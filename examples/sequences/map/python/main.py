"""Input is application/x-ndjson, one item a line; so is the output."""


async def run(context, input, tax=0.23):
    async for item in input:
        yield {**item, "gross": round(item["price"] * (1 + tax), 2)}
