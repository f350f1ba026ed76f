"""Memory of Instances that wait for input: PSS, a process's own and its share of what it has in common with others.

Run: ``python benchmarks/idle.py [instances]``.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil

from bench import call, hub_process, post_json, send_directory
from table import row

SEQUENCES = Path(__file__).parent / "sequences"
SETTLE = 3
"""Seconds that a process has to come to rest."""

PYTHON = "import asyncio, scramjet.streams, sys; print(flush=True); sys.stdin.read()"
NODE = "console.log(); process.stdin.resume()"


def pss(pid: int) -> float:
    """MB."""
    return psutil.Process(pid).memory_full_info().pss / 1e6


def instances(port: int, name: str, count: int) -> float:
    """MB that each has."""
    sequence = send_directory(port, SEQUENCES / name)
    started = [post_json(port, f"/api/v1/sequence/{sequence}/start")["id"] for _ in range(count)]
    time.sleep(SETTLE)
    pids = [call(port, "GET", f"/api/v1/instance/{each}/health")["processId"] for each in started]
    measured = statistics.median(pss(pid) for pid in pids)
    for each in started:
        post_json(port, f"/api/v1/instance/{each}/_kill", {"removeImmediately": True})
    return measured


def bare(*command: str) -> float:
    """MB of a program that has come up."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(SETTLE)
    measured = pss(process.pid)
    process.communicate()
    return measured


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    node = shutil.which("node")
    with hub_process() as port:
        python = instances(port, "identity", count)
        javascript = instances(port, "identity-js", count) if node else None
    row(
        f"memory (PSS) of an idle Python Instance, one of {count}",
        f"{python:.1f} MB",
        others=f"an interpreter with asyncio and the framework {bare(sys.executable, '-c', PYTHON):.1f} MB",
        budget="<= 6 MB",
        met=python <= 6,
    )
    if node and javascript:
        row(
            f"memory (PSS) of an idle JavaScript Instance, one of {count}",
            f"{javascript:.1f} MB",
            others=f"bare node {bare(node, '-e', NODE):.1f} MB",
        )


if __name__ == "__main__":
    main()
