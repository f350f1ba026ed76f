"""Memory of the Hub while 1 GB goes through it whose reader stops for ten seconds on the way.

Run: ``python benchmarks/memory.py [megabytes] [pause in seconds]``.
"""

from __future__ import annotations

import multiprocessing
import socket
import sys
import time

from bench import hub_process, post_json, rss, send_directory
from table import row
from throughput import SEQUENCE, http_writer


def reader_that_stops(port: int, path: str, size: int, pause: float, stopped, going_on) -> None:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    buffer = bytearray(1024 * 1024)
    left, pause_at = size, size // 4
    while left > 0:
        left -= sock.recv_into(buffer)
        if pause and size - left > pause_at:
            stopped.set()
            time.sleep(pause)
            pause = 0
            going_on.set()


def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else 1024) << 20
    pause = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    pid: list[int] = []
    with hub_process(pid) as port:
        sequence = send_directory(port, SEQUENCE)
        base = f"/api/v1/instance/{post_json(port, f'/api/v1/sequence/{sequence}/start')['id']}"
        go, stopped, going_on = (multiprocessing.Event() for _ in range(3))
        before = rss(pid[0])
        writer = multiprocessing.Process(target=http_writer, args=(port, f"{base}/input", size, go))
        reader = multiprocessing.Process(
            target=reader_that_stops, args=(port, f"{base}/output", size, pause, stopped, going_on)
        )
        writer.start()
        reader.start()
        go.set()
        highest = {"flowing": before, "stopped": before, "flowing again": before}
        while reader.is_alive():
            phase = "flowing again" if going_on.is_set() else "stopped" if stopped.is_set() else "flowing"
            highest[phase] = max(highest[phase], rss(pid[0]))
            time.sleep(0.02)
        writer.join()
        after = rss(pid[0])
    most = max(highest.values()) - before
    phases = (f"{phase} {(value - before) / 1e6:+.1f}" for phase, value in (*highest.items(), ("afterwards", after)))
    row(
        f"memory of a Hub that carries {size >> 20} MB to a reader that stops for {pause:.0f} s, above where it was",
        f"{most / 1e6:+.1f} MB",
        others=", ".join(phases),
        budget="<= 50 MB",
        met=most <= 50e6,
    )


if __name__ == "__main__":
    main()
