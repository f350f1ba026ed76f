"""Any bytes to the API of a real Hub: an answer or a closed connection, never a failure, and the next is answered."""

import asyncio
import http.client
import logging
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from transform_hub.hub.config import HubConfig
from transform_hub.hub.server import Hub

PATIENCE = 10


class Failures(logging.Handler):
    """Has what the Hub logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


FAILURES = Failures()
logging.getLogger().addHandler(FAILURES)


def _run(ready: threading.Event, ports: list[int]) -> None:
    async def run() -> None:
        hub = Hub(HubConfig(port=0, data_dir=Path(tempfile.mkdtemp(prefix="fuzz-")), zygote=False))
        await hub.start()
        ports.append(hub.port)
        ready.set()
        await asyncio.Event().wait()

    asyncio.run(run())


def _started() -> int:
    ready, ports = threading.Event(), []
    threading.Thread(target=_run, args=(ready, ports), daemon=True).start()
    ready.wait()
    return ports[0]


PORT = _started()


def fuzz(data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", PORT), timeout=PATIENCE) as sock:
        answer = b""
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(1 << 16):
                answer += piece
        except ConnectionError:
            pass
    assert not answer or answer.startswith(b"HTTP/1."), answer[:100]
    assert b" 500 " not in answer.partition(b"\r\n")[0], answer[:1000]
    assert not FAILURES.told, FAILURES.told
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE)
    connection.request("GET", "/livez")
    assert connection.getresponse().status == 200
    connection.close()


def request(*head: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((*head, b"", body))


def seeds() -> Iterator[bytes]:
    length, kind = b"Content-Length: %d", b"Content-Type: application/json"
    yield request(b"GET /api/v1/version HTTP/1.1", b"Host: localhost") + request(b"GET /api/v1/instances HTTP/1.0")
    chunked = (b"Content-Type: text/plain", b"Transfer-Encoding: chunked")
    yield request(b"POST /api/v1/topic/t HTTP/1.1", *chunked, body=b"2\r\na\n\r\n0\r\n\r\n")
    yield request(b"POST /api/v1/sequence/a/start HTTP/1.1", kind, length % 11, body=b'{"args":[]}')
    gzip = (b"Content-Encoding: gzip", b"Expect: 100-continue", length % 2)
    yield request(b"POST /api/v1/sequence HTTP/1.1", *gzip, body=b"\x1f\x8b")
    yield request(b"PUT /api/v1/topics HTTP/1.1", b"Authorization: Bearer a", b"X-Stream-Position: 1")
    yield request(b"GET /api/v1/audit HTTP/1.1", b"Connection: upgrade", b"Upgrade: websocket")
    yield request(b"HEAD //api/v1/../livez?a=%ff&tap=true HTTP/1.1", b"Host: [::1]:1", b"Origin: http://a")
