"""Uses all that a Sequence can: input, output, standard streams, events, a stop handler, a health check."""

import asyncio
import os
import sys


async def run(context, input, prefix="", *rest):
    print("stdout: hello from py", flush=True)
    print("stderr: hello from py", file=sys.stderr, flush=True)
    context.logger.info("started")
    context.on("ping-me", lambda message: context.emit("pong-you", {"got": message}))
    context.set_health_check(lambda: {"healthy": True, "load": 12})
    context.set_stop_handler(stop)
    asyncio.get_running_loop().add_reader(0, read_stdin)
    async for line in input:
        yield prefix + line


def read_stdin():
    data = os.read(0, 4096)
    if data:
        print("stdin got", data.decode(), end="", flush=True)
    else:
        asyncio.get_running_loop().remove_reader(0)


async def stop(timeout, can_keep_alive):
    print("stop handler", timeout, can_keep_alive, flush=True)
