"""Milliseconds from POST start to an Instance that is running, against what the machine needs for a bare fork.

Every start is followed by a GET that must say ``running``; both over one connection, and both are in the figure.
Run: ``python benchmarks/start.py [starts]``.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import hub_process, send_directory

SEQUENCE = Path(__file__).parent / "sequences" / "identity"
JSON = {"Content-Type": "application/json"}


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None):
    connection.request(method, path, body, JSON)
    return json.loads(connection.getresponse().read())


def start(connection: http.client.HTTPConnection, sequence: str) -> float:
    began = time.perf_counter()
    instance = ask(connection, "POST", f"/api/v1/sequence/{sequence}/start", "{}")["id"]
    status = ask(connection, "GET", f"/api/v1/instance/{instance}")["status"]
    elapsed = time.perf_counter() - began
    if status != "running":
        raise SystemExit(f"the Instance is {status}")
    ask(connection, "POST", f"/api/v1/instance/{instance}/_kill", '{"removeImmediately": true}')
    time.sleep(0.05)  # let it go, so that each start has the machine for itself
    return elapsed * 1000


def bare_fork() -> float:
    began = time.perf_counter()
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return (time.perf_counter() - began) * 1000


def bare_interpreter() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import asyncio, scramjet.streams"], check=True)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with hub_process() as port:
        sequence = send_directory(port, SEQUENCE)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        start(connection, sequence)  # the zygote comes up with the first
        times = sorted(start(connection, sequence) for _ in range(count))
    fork = statistics.median(bare_fork() for _ in range(count))
    interpreter = statistics.median(bare_interpreter() for _ in range(10))
    median = statistics.median(times)
    print(f"start of a Python Instance, POST to running, {count} starts")
    print(f"  through the Hub     {median:6.1f} ms median, {times[int(count * 0.95)]:.1f} ms p95     budget: <= 10 ms")
    print(f"  bare fork           {fork:6.1f} ms")
    print(f"  bare interpreter    {interpreter:6.1f} ms   (python with asyncio and the framework imported)")


if __name__ == "__main__":
    main()
