"""Where the API listens: at the address of the Hub, and where its Sequences reach it.

                            url                local_url
    usually                 host and port      the same; loopback if the host stands for all interfaces
    with TLS                https              a socket beside that of the runner link: they have no certificate
    sandbox, no network     host and port      a socket beside that of the runner link, which their sandbox has

Sequences get the second, as ``context.hub``.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from transform_hub import served
from transform_hub.errors import HubStartError
from transform_hub.hub.access.tls import ServerTLS, TLSConfig
from transform_hub.hub.http.connections import IDLE_TIMEOUT, Runner

SHUTDOWN_GRACE = 1.0
"""Seconds that requests still open at the end have to finish."""

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address that stands for all can't be dialled


class Listener:
    """Serves the API of a Hub.

    Args:
        host, port: where to listen; port 0 takes a free one.
        tls: the certificate for https; None serves http.
        max_connections: at the same time.
        local_socket: let Sequences use a Unix socket instead of the port; with TLS they always do.

    Attributes:
        url: base of the API, e.g. ``http://127.0.0.1:8000/api/v1``.
        local_url: base of the API for Sequences, see above.
        port: that it listens on.
    """

    def __init__(
        self, host: str, port: int, *, tls: TLSConfig | None, max_connections: int, local_socket: bool
    ) -> None:
        self.url = self.local_url = ""
        self.port = port
        self._host = host
        self._max_connections = max_connections
        self._local_socket = local_socket
        self._tls_config = tls
        self._tls: ServerTLS | None = None
        self._runner: Runner | None = None

    def load(self) -> None:
        """Read the certificate (again), if the Hub serves https.

        Raises:
            HubStartError: it can't be read, or is not a certificate with its key; nothing has changed then.
        """
        if self._tls is not None:
            self._tls.load()
        elif self._tls_config is not None:
            self._tls = ServerTLS(self._tls_config)

    async def open(self, app: web.Application, *, beside: Path) -> None:
        """Listen.

        Args:
            app: the API.
            beside: the socket of the runner link.

        Raises:
            HubStartError: the port is in use or not permitted, ...
        """
        self._runner = Runner(
            app,
            max_connections=self._max_connections,
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=SHUTDOWN_GRACE,
            keepalive_timeout=IDLE_TIMEOUT,
            auto_decompress=False,  # streams carry bytes as they were sent, and a package is gzip itself
        )
        await self._runner.setup()
        secure = self._tls is not None
        self.port = await self._listen(self._runner)
        served.begin(self._host, self.port)
        self.url = _url(self._host, self.port, secure=secure)
        if secure or self._local_socket:
            self.local_url = await _listen_locally(self._runner, beside.with_name("api"))
        else:
            self.local_url = _url(LOOPBACK.get(self._host, self._host), self.port)

    async def _listen(self, runner: Runner) -> int:
        context = self._tls.context if self._tls else None
        try:
            await web.TCPSite(runner, self._host, self.port, ssl_context=context).start()
        except OSError as error:
            raise HubStartError(_why_not_listening(f"{self._host} port {self.port}", error)) from error
        port: int = runner.addresses[0][1]
        return port

    async def close(self) -> None:
        """Give open requests a moment, then cut the connections."""
        served.end(self._host, self.port)
        if self._runner is not None:
            await self._runner.cleanup()


async def _listen_locally(runner: Runner, path: Path) -> str:
    await web.UnixSite(runner, path).start()
    return f"http+unix://{quote(str(path), safe='')}/api/v1"


def _url(host: str, port: int, *, secure: bool = False) -> str:
    return f"http{'s' if secure else ''}://{f'[{host}]' if ':' in host else host}:{port}/api/v1"


def _why_not_listening(place: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{place} is in use: choose another port, or end the program that uses it"
    if error.errno == errno.EACCES:
        return f"No permission to listen on {place}: choose a port above 1023"
    return f"Can't listen on {place}: {error.strerror or os.strerror(error.errno or 0)}"
