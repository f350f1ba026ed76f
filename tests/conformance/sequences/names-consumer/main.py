import json

requires = {"requires": "names", "contentType": "application/x-ndjson"}


async def run(context, input):
    async for item in input:
        yield f"got {json.dumps(item)}\n"
