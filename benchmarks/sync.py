"""What the sync clients cost: small calls, chunks of a download, lines, and many small pieces of an upload.

Run: ``python benchmarks/sync.py [a so many-th part of it] [rounds]``.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from pathlib import Path
from threading import Thread

import uvloop

from bench import hub_process
from table import row
from transform_hub.client import HostClient
from transform_hub.sync import HostClient as SyncHostClient
from transform_hub.sync.portal import portal

PART = int(sys.argv[1]) if len(sys.argv) > 1 else 1
CALLS = 2000 // PART
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
DATA = b"x" * 1023 + b"\n"
SIZE = 128 * 1024 * 1024 // PART
LINES = 300_000 // PART
IDENTITY = Path(__file__).parent / "sequences" / "identity"


async def async_calls(url: str) -> float:
    async with HostClient(url) as host:
        await host.get_version()
        begun = time.perf_counter()
        for _ in range(CALLS):
            await host.get_version()
        return CALLS / (time.perf_counter() - begun)


def sync_calls(url: str) -> float:
    with SyncHostClient(url) as host:
        host.get_version()
        begun = time.perf_counter()
        for _ in range(CALLS):
            host.get_version()
        return CALLS / (time.perf_counter() - begun)


async def async_stream(url: str) -> float:
    async with HostClient(url) as host:
        instance = await (await host.send_sequence(IDENTITY)).start()
        begun = time.perf_counter()
        sending = asyncio.ensure_future(instance.send_input(DATA * (SIZE // len(DATA))))
        received = sum([len(line) + 1 async for line in instance.get_output().lines()])
        await sending
        assert received == SIZE
        return SIZE / 1e6 / (time.perf_counter() - begun)


def sync_stream(url: str) -> float:
    with SyncHostClient(url) as host:
        instance = host.send_sequence(IDENTITY).start()
        begun = time.perf_counter()
        sending = Thread(target=instance.send_input, args=(DATA * (SIZE // len(DATA)),))
        sending.start()
        received = sum(len(line) + 1 for line in instance.get_output().lines())
        sending.join()
        assert received == SIZE
        return SIZE / 1e6 / (time.perf_counter() - begun)


async def async_pieces(url: str) -> float:
    async with HostClient(url) as host:
        instance = await (await host.send_sequence(IDENTITY)).start()
        reading = asyncio.ensure_future(instance.get_output().read())
        begun = time.perf_counter()
        await instance.send_input(DATA for _ in range(LINES))
        await reading
        return LINES / (time.perf_counter() - begun)


def sync_pieces(url: str) -> float:
    with SyncHostClient(url) as host:
        instance = host.send_sequence(IDENTITY).start()
        reading = Thread(target=instance.get_output().read)
        reading.start()
        begun = time.perf_counter()
        instance.send_input(DATA for _ in range(LINES))
        reading.join()
        return LINES / (time.perf_counter() - begun)


async def nothing() -> None:
    pass


def crossing() -> float:
    """Microseconds to the event loop's thread and back."""
    portal().run(nothing)
    begun = time.perf_counter()
    for _ in range(CALLS):
        portal().run(nothing)
    return (time.perf_counter() - begun) / CALLS * 1e6


def compare(what: str, unit: str, awaiting, blocking, url: str) -> None:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(uvloop.run(awaiting(url)))
        ours.append(blocking(url))
    own, other = statistics.median(ours), statistics.median(theirs)
    row(
        f"{what} with the sync client, median of {ROUNDS}",
        f"{own:,.0f}{unit}",
        others=f"async client {other:,.0f}{unit}: ratio {own / other:.2f}",
    )


def main() -> None:
    thread = statistics.median(crossing() for _ in range(ROUNDS))
    row("a call to the thread of the event loop and back, which each call of the sync client costs", f"{thread:.0f} us")
    with hub_process() as port:
        url = f"http://127.0.0.1:{port}/api/v1"
        compare("small calls, one after the other,", "/s", async_calls, sync_calls, url)
        compare("lines of 1 KiB through an identity Sequence", " MB/s", async_stream, sync_stream, url)
        compare("pieces of 1 KiB from a generator", "/s", async_pieces, sync_pieces, url)


if __name__ == "__main__":
    main()
