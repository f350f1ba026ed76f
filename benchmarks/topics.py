"""Bytes per second and CPU time per GB of a topic with one writer and one reader, against a bare relay and STH.

    writer ─ TCP ─> Hub ─ TCP ─> reader          what users get: chunked POST and GET of /topic/:name
    writer ─ TCP ─> relay ─ TCP ─> reader        the limit: one thread with blocking sockets, no HTTP

Writer and reader are bare sockets in processes of their own in all. CPU time is that of the Hub's (relay's) process.
A real STH of npm is measured in the same rounds where node and npm are there, and any other Hub that is named.
Run: ``python benchmarks/topics.py [megabytes] [rounds] [name=url,pid ...]``.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import statistics
import sys
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench import hub_process, real_sth
from table import row
from throughput import CHUNK, bare_reader, bare_writer, pump, read

OURS = "this Hub"
LINE = (
    b'{"number": 1234567890, "text": "a line as topics carry them, of a hundred and twenty-eight bytes"}'.ljust(127)
    + b"\n"
)
BLOCKS = {
    "application/octet-stream": os.urandom(CHUNK),
    "application/x-ndjson": (LINE * (CHUNK // len(LINE) + 2))[50 : CHUNK + 50],  # chunks end anywhere in a line
}
STH_TAKES = ("application/x-ndjson",)  # 0.18.7 refuses binary topics


TICK = 0.01
"""CPU seconds that are not told from none."""


class Figures(NamedTuple):
    """What one run gave: MB per second, CPU seconds per GB."""

    rate: float
    cpu: float


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def topic_writer(address: tuple[str, int], path: str, content_type: str, size: int, go) -> None:
    sock = socket.create_connection(address)
    sock.sendall(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    )
    framed = b"%x\r\n%b\r\n" % (CHUNK, BLOCKS[content_type])
    go.wait()
    for _ in range(size // CHUNK):
        sock.sendall(framed)
    sock.sendall(b"0\r\n\r\n")
    if not sock.recv(65536).startswith(b"HTTP/1.1 2"):
        raise SystemExit(f"{path} was refused")


def topic_reader(address: tuple[str, int], path: str, content_type: str, size: int, go, done) -> None:
    sock = socket.create_connection(address)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n\r\n".encode())
    go.wait()
    read(sock, size)
    done.put(time.perf_counter())


def relay(ports) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    ports.put(server.getsockname()[1])
    ends = {}
    for _ in range(2):
        connection, _ = server.accept()
        ends[connection.recv(1)] = connection
    pump(ends[b"w"], ends[b"r"])
    ports.get()  # stays until its CPU time has been read


def measured(writer, reader, size: int, pid: int) -> Figures:
    go, done = multiprocessing.Event(), multiprocessing.Queue()
    ends = [
        multiprocessing.Process(target=writer[0], args=(*writer[1:], size, go)),
        multiprocessing.Process(target=reader[0], args=(*reader[1:], size, go, done)),
    ]
    for end in ends:
        end.start()
    time.sleep(0.3)
    used, began = cpu_seconds(pid), time.perf_counter()
    go.set()
    elapsed = done.get(timeout=60) - began
    cpu = cpu_seconds(pid) - used
    for end in ends:
        end.join()
    return Figures(size / elapsed / 1e6, cpu / size * 1e9)


def through_relay(content_type: str, size: int) -> Figures:
    ports = multiprocessing.Queue()
    process = multiprocessing.Process(target=relay, args=(ports,))
    process.start()
    port = ports.get()
    figures = measured((bare_writer, port), (bare_reader, port), size, process.pid)
    ports.put(None)
    process.join()
    return figures


def through_hub(url: str, pid: int, content_type: str, size: int) -> Figures:
    parts = urllib.parse.urlsplit(url)
    address = (parts.hostname, parts.port)
    path = f"{parts.path}/topic/bench-{os.urandom(4).hex()}"
    return measured((topic_writer, address, path, content_type), (topic_reader, address, path, content_type), size, pid)


def show(what: str, results: dict[str, list[Figures]]) -> None:
    """The row of a kind of topic."""
    medians = {
        name: Figures(*(statistics.median(column) for column in zip(*runs, strict=True)))
        for name, runs in results.items()
    }
    ours = medians.pop(OURS)
    others = [
        f"{name} {other.rate:.0f} MB/s, {other.cpu:.2f} CPU s per GB "
        f"(ratios {ours.rate / other.rate:.2f}, {ours.cpu / max(other.cpu, TICK):.2f})"
        for name, other in medians.items()
    ]
    sth = medians.get("STH")
    row(
        what,
        f"{ours.rate:.0f} MB/s, {ours.cpu:.2f} CPU s per GB",
        others="; ".join(others),
        budget="of STH >= 1.50 of the rate, <= 0.60 of the CPU time" if sth else "",
        met=sth is None or (ours.rate >= 1.5 * sth.rate and ours.cpu <= 0.6 * sth.cpu),
    )


def hubs(stack: contextlib.ExitStack) -> dict[str, tuple[str, int]]:
    """URL and pid of all Hubs to measure, by name; ours first."""
    pids: list[int] = []
    port = stack.enter_context(hub_process(pids))
    found = {OURS: (f"http://127.0.0.1:{port}/api/v1", pids[0])}
    if (sth := real_sth(stack)) is not None:
        found["STH"] = (sth.url, sth.pid)
    for peer in sys.argv[3:]:
        name, url, pid = peer.replace("=", ",").split(",")
        found[name] = (url.rstrip("/"), int(pid))
    return found


def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else 1024) << 20
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with contextlib.ExitStack() as stack:
        ways: dict[str, Callable[[str, int], Figures]] = {
            name: lambda kind, size, hub=hub: through_hub(*hub, kind, size) for name, hub in hubs(stack).items()
        }
        ways["bare relay"] = through_relay
        for kind in BLOCKS:
            taken = [name for name in ways if name != "STH" or kind in STH_TAKES]
            results: dict[str, list[Figures]] = {name: [] for name in taken}
            for _ in range(rounds):
                for name in taken:
                    results[name].append(ways[name](kind, size))
            show(f"topic, one writer, one reader, {kind}, {size >> 20} MB, median of {rounds}", results)


if __name__ == "__main__":
    main()
