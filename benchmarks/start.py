"""Milliseconds from POST start to an Instance that is running, against what the machine needs for a bare fork.

Every start is followed by a GET that must say ``running``; both over one connection, and both are in the figure.
Run: ``python benchmarks/start.py [starts]``.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import hub_process, send_directory
from table import row

SEQUENCES = Path(__file__).parent / "sequences"
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


def bare(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return (time.perf_counter() - began) * 1000


def starts(connection: http.client.HTTPConnection, sequence: str, count: int) -> list[float]:
    start(connection, sequence)  # the zygote comes up with the first, and so does the Node.js that waits
    return sorted(start(connection, sequence) for _ in range(count))


def report(what: str, times: list[float], others: str, budget: int) -> None:
    median, p95 = statistics.median(times), times[int(len(times) * 0.95)]
    row(
        f"start of a {what}, POST to `running`, median of {len(times)}",
        f"{median:.1f} ms (p95 {p95:.1f} ms)",
        others=others,
        budget=f"<= {budget} ms",
        met=median <= budget,
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    node = shutil.which("node")
    with hub_process(reattach=True) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        outliving = starts(connection, send_directory(port, SEQUENCES / "identity"), count)
    with hub_process() as port:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        python = starts(connection, send_directory(port, SEQUENCES / "identity"), count)
        javascript = starts(connection, send_directory(port, SEQUENCES / "identity-js"), count) if node else None
    fork = statistics.median(bare_fork() for _ in range(count))
    interpreter = statistics.median(bare(sys.executable, "-c", "import asyncio, scramjet.streams") for _ in range(10))
    report(
        "Python Instance", python, f"bare fork {fork:.1f} ms; interpreter with the framework {interpreter:.0f} ms", 10
    )
    report("Python Instance that outlives its Hub (the default of `sth`)", outliving, "", 10)
    if node and javascript:
        alone = statistics.median(bare(node, "-e", "0") for _ in range(10))
        report("JavaScript Instance", javascript, f"bare node {alone:.0f} ms", 60)


if __name__ == "__main__":
    main()
