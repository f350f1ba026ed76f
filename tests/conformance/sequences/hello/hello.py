async def run(context, input):
    async for name in input:
        yield f"Hello {name}!"
