"""Small calls to a Hub from a process of its own, one after the other: how long the Hub's event loop lets others wait.

Run as ``python -m stress.probe <port>``; it calls until its stdin is closed, then prints the ms that each call took.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import json
import select
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

PAUSE = 0.005
"""Seconds between two calls."""


@dataclasses.dataclass
class Latencies:
    """What the calls took, in ms, sorted."""

    values: list[float] = dataclasses.field(default_factory=list)

    def share(self, part: float) -> float:
        """The value below which this part of all lies."""
        return self.values[min(int(len(self.values) * part), len(self.values) - 1)]

    def __str__(self) -> str:
        p50, p99, worst = self.share(0.5), self.share(0.99), self.values[-1]
        return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.1f} ms of {len(self.values)}"


def in_order(values: list[float]) -> Latencies:
    return Latencies(sorted(values))


@contextlib.asynccontextmanager
async def probing(port: int) -> AsyncIterator[Latencies]:
    """Call a Hub meanwhile; what it took is there afterwards."""
    found = Latencies()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "stress.probe",
        str(port),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    try:
        yield found
    finally:
        said, _ = await process.communicate(b"")  # which closes stdin
    assert process.returncode == 0, "the small calls failed"
    found.values = sorted(json.loads(said))


def main() -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
    taken = []
    while not taken or not select.select([sys.stdin], [], [], PAUSE)[0]:
        begun = time.perf_counter()
        connection.request("GET", "/api/v1/version")
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status
        taken.append((time.perf_counter() - begun) * 1000)
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
