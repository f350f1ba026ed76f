"""Has no output besides what it prints."""

import sys


async def run(context, input):
    count = 0
    async for line in sys.stdin:
        count += 1
        print(line.upper(), end="", flush=True)
    print(f"{count} lines", file=sys.stderr)
