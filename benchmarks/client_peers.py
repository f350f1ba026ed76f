"""What ``client.py`` compares, each in a process of its own: ``client_peers.py NAME URL [INSTANCE]`` prints JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

CALLS = 2000
MEGABYTES = 512
STREAMS = 500
PIECE = 256 * 1024


async def per_second(call: Callable[[], Awaitable[object]]) -> dict[str, float]:
    for _ in range(50):
        await call()
    began = time.perf_counter()
    for _ in range(CALLS):
        await call()
    return {"rate": CALLS / (time.perf_counter() - began)}


async def calls_ours(url: str) -> dict[str, float]:
    from transform_hub.client import HostClient

    async with HostClient(url) as host:
        return await per_second(host.get_version)


async def calls_bare(url: str) -> dict[str, float]:
    async with aiohttp.ClientSession() as session:

        async def call() -> object:
            async with session.get(f"{url}/version") as response:
                return await response.json()

        return await per_second(call)


async def calls_published(url: str) -> dict[str, float]:
    del sys.path[0]  # this directory, whose client.py is not the package
    from client.host_client import HostClient

    return await per_second(HostClient(url).get_version)


@contextlib.asynccontextmanager
async def measured() -> AsyncIterator[dict[str, float]]:
    figures: dict[str, float] = {}
    began, used = time.perf_counter(), time.process_time()
    yield figures
    figures["rate"] = MEGABYTES * 1.048576 / (time.perf_counter() - began)
    figures["cpu"] = (time.process_time() - used) / (MEGABYTES * 1.048576 / 1000)


def check(size: int) -> None:
    if size != MEGABYTES << 20:
        raise SystemExit(f"{size} bytes came")


async def download_ours(url: str, instance: str) -> dict[str, float]:
    from transform_hub.client import HostClient

    async with HostClient(url) as host, measured() as figures:
        check(sum([len(chunk) async for chunk in host.instance(instance).get_output()]))
    return figures


async def download_bare(url: str, instance: str) -> dict[str, float]:
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout, read_bufsize=PIECE) as session,
        measured() as figures,
        session.get(f"{url}/instance/{instance}/output") as response,
    ):
        check(sum([len(chunk) async for chunk in response.content.iter_any()]))
    return figures


async def pieces() -> AsyncIterator[bytes]:
    piece = os.urandom(PIECE)
    for _ in range((MEGABYTES << 20) // PIECE):
        yield piece


async def upload_ours(url: str, instance: str) -> dict[str, float]:
    from transform_hub.client import HostClient

    async with HostClient(url) as host, measured() as figures:
        await host.instance(instance).send_input(pieces())
    return figures


async def upload_bare(url: str, instance: str) -> dict[str, float]:
    headers = {"Content-Type": "application/octet-stream"}
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        measured() as figures,
        session.post(f"{url}/instance/{instance}/input", data=pieces(), headers=headers) as response,
    ):
        await response.read()
    return figures


async def latencies(call: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """ms of a call, p50 and p99."""
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


async def many_streams(url: str, instance: str) -> dict[str, float]:
    from bench import rss
    from transform_hub.client import HostClient

    async with HostClient(url) as host:
        alone = await latencies(host.get_version)
        before = rss(os.getpid())
        readers = await asyncio.gather(*(opened(host.instance(instance).get_output()) for _ in range(STREAMS)))
        first = asyncio.gather(*(anext(aiter(reader)) for reader in readers))
        await first
        reading = [asyncio.ensure_future(drain(reader)) for reader in readers]
        memory = rss(os.getpid()) - before
        among = await latencies(host.get_version)
        for task in reading:
            task.cancel()
        await asyncio.wait(reading)
        if not all(task.cancelled() for task in reading):
            raise SystemExit("a stream broke off")
        await asyncio.gather(*(reader.close() for reader in readers))
    return {
        "p50": among[0], "p99": among[1], "p50 alone": alone[0], "p99 alone": alone[1], "memory": memory,
    }  # fmt: skip


async def opened(reader):
    return await reader


async def drain(reader) -> None:
    async for _ in reader:
        pass


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))))
