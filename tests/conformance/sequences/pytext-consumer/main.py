requires = {"requires": "pytext", "contentType": "text/plain"}


async def run(context, input):
    async for line in input:
        yield "got " + line
