"""A service to try the example with: ``python service.py`` serves data/customers.json on port 8090.

It is as services are: the first request for each customer gets 503.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CUSTOMERS: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "customers.json").read_text(encoding="utf-8"))


class Customers(ThreadingHTTPServer):
    """The service, on a port of this machine.

    Attributes:
        requests: how many there were, by customer.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Answer)
        self.requests: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    server: Customers  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.server.requests[name] += 1
        if name not in CUSTOMERS:
            self.answer(404, {"message": f"no customer {name}"})
        elif self.server.requests[name] == 1:
            self.answer(503, {"message": "busy"})
        else:
            self.answer(200, CUSTOMERS[name])

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        print(format % args, file=sys.stderr)


if __name__ == "__main__":
    with Customers(8090) as server:
        print("Serving on", server.url)
        server.serve_forever()
