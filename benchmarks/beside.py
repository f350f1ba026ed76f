"""Small calls while Instances stream: their waiting time, and what the streams carry, against a real STH of npm.

Each Instance is an identity Sequence, fed and read without a pause.
Run: ``python benchmarks/beside.py [calls]``.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from bench import hub_process, post_json, real_sth, send_directory
from calls import ask, small_call
from table import row

COUNTS = (2, 8, 32)
PAUSE = 0.005

STREAM = """
import asyncio, sys, time
import aiohttp
base, ids = sys.argv[1], sys.argv[2:]
piece = (b"x" * 99 + b"\\n") * 650
carried = 0
async def pieces():
    while True:
        yield piece
async def send(session, path):
    async with session.post(f"{base}{path}/input", data=pieces(), headers={"content-type": "text/plain"}) as answer:
        await answer.read()
async def stream(session, path):
    global carried
    sending = asyncio.ensure_future(send(session, path))
    async with session.get(f"{base}{path}/output") as answer:
        async for data in answer.content.iter_any():
            carried += len(data)
async def main():
    options = {"connector": aiohttp.TCPConnector(limit=0), "timeout": aiohttp.ClientTimeout(total=None)}
    async with aiohttp.ClientSession(**options) as session:
        streams = [asyncio.ensure_future(stream(session, f"/api/v1/instance/{each}")) for each in ids]
        while not carried:
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        first, began = carried, time.perf_counter()
        print("streaming", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print((carried - first) / (time.perf_counter() - began), flush=True)
        for each in streams:
            each.cancel()
asyncio.run(main())
"""


def measure(port: int, sequence: str, count: int, calls: int) -> tuple[float, float, float]:
    """Median and 99th percentile of a call in ms, and MB/s of all streams together."""
    ids = [post_json(port, f"/api/v1/sequence/{sequence}/start")["id"] for _ in range(count)]
    words = [sys.executable, "-c", STREAM, f"http://127.0.0.1:{port}", *ids]
    streams = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    streams.stdout.readline()
    waits = list(waiting_times(port, calls))
    streams.stdin.write("\n")
    streams.stdin.flush()
    rate = float(streams.stdout.readline())
    streams.kill()
    streams.communicate()
    for each in ids:
        post_json(port, f"/api/v1/instance/{each}/_kill", {"removeImmediately": True})
    return statistics.median(waits) * 1000, statistics.quantiles(waits, n=100)[98] * 1000, rate / 1e6


def waiting_times(port: int, calls: int) -> Iterator[float]:
    request = small_call(port)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        for _ in range(calls):
            began = time.perf_counter()
            ask(sock, request)
            yield time.perf_counter() - began
            time.sleep(PAUSE)


def shown(figures: tuple[float, float, float]) -> str:
    return "{:.1f} ms median, {:.1f} ms p99, {:.0f} MB/s".format(*figures)


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    identity = Path(__file__).with_name("sequences") / "identity-js"
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(hub_process(reattach=True))
        python = send_directory(ours, identity.with_name("identity"))
        javascript = send_directory(ours, identity)
        sth = real_sth(stack)
        peer = urllib.parse.urlsplit(sth.url).port if sth else None
        theirs = send_directory(peer, identity) if peer else ""
        for count in COUNTS:
            figures = measure(ours, python, count, calls)
            others = ["with JavaScript Instances " + shown(measure(ours, javascript, count, calls))]
            if peer:
                others.append("STH with JavaScript Instances " + shown(measure(peer, theirs, count, calls)))
            row(
                f"a small call beside {count} Python Instances that stream text, and what they carry",
                shown(figures),
                others="; ".join(others),
                budget="<= 2 ms median, <= 10 ms p99",
                met=figures[0] <= 2 and figures[1] <= 10,
            )


if __name__ == "__main__":
    main()
