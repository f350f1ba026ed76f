async def run(context, input):
    size = 0
    async for chunk in input:
        size += len(chunk)
    return str(size)
