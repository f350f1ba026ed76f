"""Bytes per second through a Python identity Sequence, against a bare relay of the same hops.

    writer ─ TCP ─> Hub ─ unix ─> runner ─ unix ─> Hub ─ TCP ─> reader        what users get
    writer ─ TCP ─> relay ─ unix ─> echo ─ unix ─> relay ─ TCP ─> reader      the limit: bare sockets, no HTTP

Writer and reader are bare sockets in processes of their own in both. The relay's pumps are threads with blocking
sockets. Run: ``python benchmarks/throughput.py [megabytes] [rounds]``.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from bench import hub_process, post_json, send_directory
from table import row
from transform_hub.protocol import SOCKET_BUFFER

CHUNK = 256 * 1024
LINE = b"x" * 127 + b"\n"
SEQUENCE = Path(__file__).parent / "sequences" / "identity"


def pump(source: socket.socket, target: socket.socket) -> None:
    """Everything from one socket to another, then half-close."""
    buffer = memoryview(bytearray(CHUNK))
    while size := source.recv_into(buffer):
        target.sendall(buffer[:size])
    target.shutdown(socket.SHUT_WR)


def write(sock: socket.socket, size: int, *, chunked: bool, block: bytes | None = None) -> None:
    block = block or os.urandom(CHUNK)
    framed = b"%x\r\n%b\r\n" % (CHUNK, block) if chunked else block
    for _ in range(size // CHUNK):
        sock.sendall(framed)
    if chunked:
        sock.sendall(b"0\r\n\r\n")


def read(sock: socket.socket, size: int) -> None:
    """Read until as many bytes have come; framing of chunks counts little and is not parsed."""
    buffer = bytearray(1024 * 1024)
    while size > 0:
        count = sock.recv_into(buffer)
        if not count:
            raise SystemExit(f"the stream ended {size} bytes early")
        size -= count


def http_writer(
    port: int, path: str, size: int, go, content_type: str = "application/octet-stream", block: bytes | None = None
) -> None:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n".encode()
    )
    go.wait()
    write(sock, size, chunked=True, block=block)
    answer = b""
    while not answer.endswith(b"0\r\n\r\n"):  # closing earlier would reset the connection and lose the tail
        answer += sock.recv(65536)


def line_writer(port: int, path: str, size: int, go) -> None:
    http_writer(port, path, size, go, "text/plain", LINE * (CHUNK // len(LINE)))


def http_reader(port: int, path: str, size: int, go, done) -> None:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    go.wait()
    read(sock, size)
    done.put(time.perf_counter())


def bare_writer(port: int, size: int, go) -> None:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(b"w")
    go.wait()
    write(sock, size, chunked=False)
    sock.shutdown(socket.SHUT_WR)


def bare_reader(port: int, size: int, go, done) -> None:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(b"r")
    go.wait()
    read(sock, size)
    done.put(time.perf_counter())


def bare_echo(path: str) -> None:
    incoming, outgoing = (socket.socket(socket.AF_UNIX) for _ in range(2))
    outgoing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
    incoming.connect(path)
    outgoing.connect(path)
    pump(incoming, outgoing)


def bare_relay(path: str, ports) -> None:
    tcp = socket.create_server(("127.0.0.1", 0))
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        ports.put(tcp.getsockname()[1])
        to_echo, _ = unix.accept()
        to_echo.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        from_echo, _ = unix.accept()
    ends = {}
    for _ in range(2):
        connection, _ = tcp.accept()
        ends[connection.recv(1)] = connection
    back = threading.Thread(target=pump, args=(from_echo, ends[b"r"]))
    back.start()
    pump(ends[b"w"], to_echo)
    back.join()


def timed(writer, reader, size: int) -> float:
    """MB/s from the start of writing to the last byte read."""
    go, done = multiprocessing.Event(), multiprocessing.Queue()
    processes = [
        multiprocessing.Process(target=writer[0], args=(*writer[1:], size, go)),
        multiprocessing.Process(target=reader[0], args=(*reader[1:], size, go, done)),
    ]
    for process in processes:
        process.start()
    time.sleep(0.3)
    began = time.perf_counter()
    go.set()
    elapsed = done.get(timeout=300) - began
    for process in processes:
        process.join()
    return size / elapsed / 1e6


def bare(size: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path, ports = str(Path(folder, "s")), multiprocessing.Queue()
        relay = multiprocessing.Process(target=bare_relay, args=(path, ports))
        relay.start()
        port = ports.get()
        echo = multiprocessing.Process(target=bare_echo, args=(path,))
        echo.start()
        rate = timed((bare_writer, port), (bare_reader, port), size)
        relay.join()
        echo.join()
    return rate


def through_hub(port: int, sequence: str, writer, size: int) -> float:
    instance = post_json(port, f"/api/v1/sequence/{sequence}/start")["id"]
    base = f"/api/v1/instance/{instance}"
    return timed((writer, port, f"{base}/input"), (http_reader, port, f"{base}/output"), size)


def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else 512) * 1024 * 1024
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    ours, outliving, limit = [], [], []
    with hub_process() as port, hub_process(reattach=True) as other:
        sequence, there = send_directory(port, SEQUENCE), send_directory(other, SEQUENCE)
        for _ in range(rounds):
            ours.append(through_hub(port, sequence, http_writer, size))
            outliving.append(through_hub(other, there, http_writer, size))
            limit.append(bare(size))
        text = statistics.median(through_hub(port, sequence, line_writer, size // 32) for _ in range(rounds))
    hub, kept, relay = (statistics.median(rates) for rates in (ours, outliving, limit))
    row(
        f"Python identity Sequence, octet-stream, {size >> 20} MB input to output, median of {rounds}",
        f"{hub:.0f} MB/s ({', '.join(f'{rate:.0f}' for rate in ours)})",
        others=f"bare relay of the same hops {relay:.0f} MB/s ({', '.join(f'{rate:.0f}' for rate in limit)}): "
        f"ratio {hub / relay:.2f}",
        budget=">= 300 MB/s, ratio >= 0.60",
        met=hub >= 300 and hub / relay >= 0.6,
    )
    row(
        "the same, with Instances that outlive their Hub (the default of `sth`)",
        f"{kept:.0f} MB/s ({', '.join(f'{rate:.0f}' for rate in outliving)})",
        others=f"bare relay {relay:.0f} MB/s: ratio {kept / relay:.2f}",
        budget=">= 300 MB/s",
        met=kept >= 300,
    )
    row(
        f"the same, text/plain, {size >> 25} MB in lines of {len(LINE)} bytes",
        f"{text:.0f} MB/s, {text * 1e6 / len(LINE):,.0f} lines/s",
    )


if __name__ == "__main__":
    main()
