"""Needs no input. `output_topic` of the start gives the topic another name."""

provides = {"provides": "readings", "contentType": "application/x-ndjson"}


async def run(context, input, count=3):
    for number in range(1, count + 1):
        yield {"sensor": "attic", "reading": number * 10}
