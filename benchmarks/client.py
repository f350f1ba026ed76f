"""The client against what it is made of, bare pooled aiohttp, and against the published client 1.1.1.

    small calls   GET /version, one after the other: calls/s
    streams       an Instance's output read, its input written, 256 KiB at a time: MB/s, and CPU s of the client per GB
    500 streams   open on one client, a line a second on each: memory, and the time that a small call takes meanwhile

All talk to the same Hub in the same run; each figure is taken in a process of its own, in turns, and what is compared
is the median of the rounds. The published client is installed from PyPI into a virtual environment of its own.
Run: ``python benchmarks/client.py [rounds]``.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from bench import hub_process, post_json, send_directory
from client_peers import CALLS, MEGABYTES, PIECE, STREAMS
from table import row

PUBLISHED = "scramjet-api-client==1.1.1"
HERE = Path(__file__).parent
PEERS = HERE / "client_peers.py"


def figures_of(name: str, *arguments: str, python: str = sys.executable) -> dict[str, float]:
    process = subprocess.run([python, PEERS, name, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(process.stdout)


def published_python() -> str:
    """The interpreter of a virtual environment with the published client; it is kept beside this one's packages."""
    folder = Path(sys.prefix) / "published-client"
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PUBLISHED], check=True)
        (folder / "installed").touch()
    return str(python)


def small_calls(url: str, rounds: int) -> None:
    python = published_python()
    rates: dict[str, list[float]] = {"ours": [], "bare": [], "published": []}
    for _ in range(rounds):
        for name, taken in rates.items():
            own = {"python": python} if name == "published" else {}
            taken.append(figures_of(f"calls_{name}", url, **own)["rate"])
    ours, bare, published = (statistics.median(rates[name]) for name in ("ours", "bare", "published"))
    row(
        f"small calls of the client, one after the other, median of {rounds} x {CALLS}",
        f"{ours:,.0f}/s",
        others=f"bare aiohttp {bare:,.0f}/s (ratio {ours / bare:.2f}); "
        f"published client 1.1.1 {published:,.0f}/s (ratio {ours / published:.2f})",
        budget="ratios >= 0.90, >= 2.00",
        met=ours / bare >= 0.9 and ours / published >= 2,
    )


def streams(url: str, rounds: int, direction: str, start: Callable[[], str]) -> None:
    taken: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
    for _ in range(rounds):
        for name, figures in taken.items():
            figures.append(figures_of(f"{direction}_{name}", url, start()))
    (ours, ours_cpu), (bare, bare_cpu) = (
        [statistics.median(figures[key] for figures in taken[name]) for key in ("rate", "cpu")] for name in taken
    )
    row(
        f"{direction} of the client, {MEGABYTES} MB in pieces of {PIECE >> 10} KiB, median of {rounds}",
        f"{ours:.0f} MB/s, {ours_cpu:.2f} CPU s per GB",
        others=f"bare aiohttp {bare:.0f} MB/s, {bare_cpu:.2f} CPU s per GB: ratio {ours / bare:.2f}",
        budget="ratio >= 0.90",
        met=ours / bare >= 0.9,
    )


def crowd(url: str, instance: str) -> None:
    figures = figures_of("many_streams", url, instance)
    row(
        f"a small call while {STREAMS} streams are open on one client, a line a second on each",
        f"{figures['p50']:.2f} ms median, {figures['p99']:.2f} ms p99; "
        f"{figures['memory'] / STREAMS / 1024:.0f} KiB a stream",
        others=f"alone {figures['p50 alone']:.2f} ms median, {figures['p99 alone']:.2f} ms p99",
    )


def main(rounds: int) -> None:
    with hub_process() as port:
        url = f"http://127.0.0.1:{port}/api/v1"
        sent = {name: send_directory(port, HERE / "sequences" / name) for name in ("source", "sink", "ticks")}

        def start(name: str, *args: object) -> str:
            return post_json(port, f"/api/v1/sequence/{sent[name]}/start", {"args": args})["id"]

        small_calls(url, rounds)
        streams(url, rounds, "download", lambda: start("source", MEGABYTES))
        streams(url, rounds, "upload", lambda: start("sink"))
        crowd(url, start("ticks"))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
