"""Goes on until it is stopped. `input_topic` of the start gives the topic another name."""

requires = {"requires": "readings", "contentType": "application/x-ndjson"}


async def run(context, input):
    count = total = 0
    async for value in input:
        count += 1
        total += value["reading"]
        yield {"count": count, "mean": total / count}
