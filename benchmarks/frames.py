"""Rows per second of frames and dicts, beside a plain Python program that prints the same.

Both make their data first and tell when they begin; what is measured ends when the last byte is read. Frames need their
packages. Run: ``python benchmarks/frames.py [rows] [rounds]``.
"""

from __future__ import annotations

import http.client
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import hub_process, post_json, send_directory
from table import row

MAKE = """
import datetime, json, sys
def make(kind, size):
    columns = {
        "id": list(range(size)),
        "name": [f"name {i % 1000}" for i in range(size)],
        "value": [i / 7 for i in range(size)],
        "ok": [i % 3 == 0 for i in range(size)],
    }
    if kind == "dicts":
        return [dict(zip(columns, values)) for values in zip(*columns.values())]
    import importlib
    return importlib.import_module(kind).DataFrame(columns)
"""
SEQUENCE = f"""{MAKE}
def run(context, input, kind, size):
    made = make(kind, size)
    context.emit("made")
    yield " " # the reader begins here
    if kind == "dicts":
        yield from made
    else:
        yield made
"""
PLAIN = f"""{MAKE}
kind, size = sys.argv[1], int(sys.argv[2])
made = make(kind, size)
print(" ", end="", flush=True)
rows = made if kind == "dicts" else made.to_dict("records") if kind == "pandas" else made.iter_rows(named=True)
for row in rows:
    sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\\n")
"""


def timed(read) -> tuple[float, int]:
    """Seconds from the first byte to the last, and how many lines came."""
    read(1)
    began, lines = time.perf_counter(), 0
    while data := read(1 << 18):
        lines += data.count(b"\n")
    return time.perf_counter() - began, lines


def through_hub(port: int, sequence: str, kind: str, size: int) -> float:
    instance = post_json(port, f"/api/v1/sequence/{sequence}/start", {"args": [kind, size]})["id"]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", f"/api/v1/instance/{instance}/output")
    seconds, lines = timed(connection.getresponse().read1)
    assert lines == size, lines
    return size / seconds


def plain(kind: str, size: int) -> float:
    with subprocess.Popen([sys.executable, "-c", PLAIN, kind, str(size)], stdout=subprocess.PIPE, bufsize=0) as process:
        seconds, lines = timed(process.stdout.read)
    assert lines == size, lines
    return size / seconds


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as folder, hub_process() as port:
        Path(folder, "main.py").write_text(SEQUENCE)
        Path(folder, "package.json").write_text(
            '{"name": "frames", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.10"}}'
        )
        sequence = send_directory(port, Path(folder))
        for kind, what in (("dicts", "dicts, one by one"), ("pandas", "a pandas frame"), ("polars", "a polars frame")):
            if kind != "dicts" and importlib.util.find_spec(kind) is None:
                print(f"(without {kind}, which is not installed)")
                continue
            ours, own = [], []
            for _ in range(rounds):
                ours.append(through_hub(port, sequence, kind, size))
                own.append(plain(kind, size))
            hub, alone = statistics.median(ours), statistics.median(own)
            row(
                f"{what} of {size:,} rows of 4 columns as ndjson, from an Instance to a client",
                f"{hub:,.0f} rows/s",
                others=f"a program that prints them with json into a pipe {alone:,.0f} rows/s: ratio {hub / alone:.2f}",
            )


if __name__ == "__main__":
    main()
