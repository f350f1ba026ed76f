"""Small calls that a Hub answers on one connection, against a bare aiohttp server and a real STH of npm.

The caller is a bare socket that writes a request and reads its answer, one after the other.
Run: ``python benchmarks/calls.py [calls] [rounds]``.
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

from bench import hub_process, real_sth
from table import row

BARE = """
import asyncio, sys
import uvloop
from aiohttp import web
async def version(request):
    return web.json_response({"service": "STH", "apiVersion": "v1", "version": "2.0.0", "build": "x"})
async def main():
    app = web.Application()
    app.router.add_get("/api/v1/version", version)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
uvloop.run(main())
"""


@contextlib.contextmanager
def bare_server() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", BARE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())
    finally:
        process.communicate(timeout=20)


def rate(port: int, calls: int) -> float:
    """Calls per second."""
    request = small_call(port)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(100):
            ask(sock, request)
        began = time.perf_counter()
        for _ in range(calls):
            ask(sock, request)
        return calls / (time.perf_counter() - began)


def small_call(port: int) -> bytes:
    return f"GET /api/v1/version HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


def ask(sock: socket.socket, request: bytes) -> None:
    sock.sendall(request)
    answer = b""
    while not answer.endswith(b"\r\n0\r\n\r\n" if b"chunked" in answer else b"}"):
        if not (data := sock.recv(65536)):
            raise SystemExit(f"the connection ended after {answer!r}")
        answer += data
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"refused: {answer!r}")


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with contextlib.ExitStack() as stack:
        ports = {"Hub": stack.enter_context(hub_process()), "bare aiohttp": stack.enter_context(bare_server())}
        if (sth := real_sth(stack)) is not None:
            ports["STH"] = urllib.parse.urlsplit(sth.url).port
        rates: dict[str, list[float]] = {name: [] for name in ports}
        for _ in range(rounds):
            for name, port in ports.items():
                rates[name].append(rate(port, calls))
    medians = {name: statistics.median(each) for name, each in rates.items()}
    ours = medians.pop("Hub")
    row(
        f"small calls that the Hub answers on one connection, median of {rounds} x {calls:,}",
        f"{ours:,.0f}/s",
        others="; ".join(f"{name} {other:,.0f}/s (ratio {ours / other:.2f})" for name, other in medians.items()),
        budget=">= 4,000/s",
        met=ours >= 4000,
    )


if __name__ == "__main__":
    main()
