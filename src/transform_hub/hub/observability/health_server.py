"""A small server beside the API that only answers whether the Hub is ready, for supervisors of processes.

``GET /healtz`` (STH's spelling) is 200 ``ok`` once everything has started and until the Hub begins to end, else 500.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from aiohttp import hdrs, web

from transform_hub.errors import HubStartError


class HealthServer:
    """Answers whether the Hub is ready.

    Args:
        host, port: where to listen; port 0 takes a free one.
        path: that answers.
    """

    def __init__(self, host: str, port: int, path: str) -> None:
        self._host = host
        self._port = port
        self._ready = False
        self._path = "/" + path.strip("/")
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0)

    async def start(self) -> str:
        """Listen.

        Returns:
            The URL that answers.

        Raises:
            HubStartError: the port is in use, ...
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            number = error.errno or 0
            problem = os.strerror(number) if number > 0 else error.strerror  # asyncio puts the address into it
            raise HubStartError(f"Can't serve health on {self._host} port {self._port}: {problem}") from error
        return f"http://{self._host}:{self._runner.addresses[0][1]}{self._path}"

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """Answer that the Hub is ready, for as long as the context lasts."""
        self._ready = True
        try:
            yield
        finally:
            self._ready = False

    async def close(self) -> None:
        """Stop answering."""
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD) or request.path != self._path:
            return web.Response(status=404)
        return web.Response(text="ok" if self._ready else "not ready", status=200 if self._ready else 500)
