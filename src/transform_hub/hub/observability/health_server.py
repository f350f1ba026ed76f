"""A small server beside the API that only tells whether the Hub is ready, for supervisors of processes.

``GET /healtz`` (the spelling is STH's) answers 200 ``ok`` once everything has started, until the Hub begins to end;
before and after that it answers 500.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from aiohttp import hdrs, web

from transform_hub.errors import HubStartError


class HealthServer:
    """Answers whether the Hub is ready; port 0 picks a free one."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._host, self._port, self._path = host, port, "/" + path.strip("/")
        self._ready = False
        self._runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0)

    async def start(self) -> str:
        """Listen.

        Returns:
            The URL to ask.

        Raises:
            HubStartError: the port is in use, ...
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            number = error.errno or 0
            problem = os.strerror(number) if number > 0 else error.strerror  # asyncio's text repeats the address
            raise HubStartError(
                f"The health server can't listen on {self._host} port {self._port}: {problem}"
            ) from error
        return f"http://{self._host}:{self._runner.addresses[0][1]}{self._path}"

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """Answer ``ok`` inside this block."""
        self._ready = True
        try:
            yield
        finally:
            self._ready = False

    async def close(self) -> None:
        """Close the port."""
        await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD) or request.path != self._path:
            return web.Response(status=404)
        return web.Response(text="ok" if self._ready else "not ready", status=200 if self._ready else 500)
