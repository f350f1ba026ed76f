async def run(context, input, megabytes):
    block = bytes(range(256)) * 1024
    for _ in range(megabytes * 4):
        yield block
