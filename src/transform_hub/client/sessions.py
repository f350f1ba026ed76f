"""HTTP sessions, one for each event loop that a client is used in.

A session lives until the first of these:

    client.close()                   closes the one of the running loop
    its loop shuts down              asyncio.run() ends a loop's async generators, and one of them holds it
    the client is garbage, or exit   a finalizer closes what is left
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import weakref
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import aiohttp

KEEPALIVE = 4.0
"""Seconds that an idle connection is kept; STH drops it after 5 s, together with a request that is sent just then."""


class Pool:
    """The session of one event loop, and the answers that are read from it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.answers: weakref.WeakSet[aiohttp.ClientResponse] = weakref.WeakSet()

    async def close(self) -> None:
        # An open answer complains when it is collected, even if its session was closed before.
        for answer in list(self.answers):
            answer.close()
        await self.session.close()


Pools = MutableMapping[asyncio.AbstractEventLoop, tuple[Pool, AsyncGenerator[None, None]]]


class Sessions:
    """The sessions of one client.

    Args:
        connector: makes the connections, instead of a connector for each loop; it is not closed.
        socket: path of the Unix socket to connect to.
        tls: settings of secure connections; by default the system's.
    """

    def __init__(
        self,
        connector: aiohttp.BaseConnector | None = None,
        *,
        socket: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._connector = connector
        self._socket = socket
        self._tls = tls
        self._pools: Pools = weakref.WeakKeyDictionary()
        # The finalizer holds the pools: if they became garbage together with the client, a session could be
        # collected, and complain, before anything closes it.
        weakref.finalize(self, _close_rest, self._pools)

    async def get(self) -> Pool:
        """The pool of the running loop."""
        loop = asyncio.get_running_loop()
        found = self._pools.get(loop)
        if found is not None and not found[0].session.closed:
            return found[0]
        _forget_closed(self._pools)
        pool = Pool(self._new_session())
        life = _life(pool, self._pools, loop)
        await anext(life)
        self._pools[loop] = (pool, life)
        return pool

    async def close(self) -> None:
        """Close the session of the running loop at once."""
        found = self._pools.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found[1].aclose()

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._connector or self._new_connector(),
            connector_owner=self._connector is None,
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=_Request,
        )

    def _new_connector(self) -> aiohttp.BaseConnector:
        # No limit of connections: long-lived streams would use them up and starve the calls.
        if self._socket is not None:
            return aiohttp.UnixConnector(self._socket, limit=0, keepalive_timeout=KEEPALIVE)
        return aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE, ssl=self._tls or True)


class _Request(aiohttp.ClientRequest):
    """A request whose connection may be lost before anything of it is written."""

    async def write_bytes(self, *args: Any, **options: Any) -> None:
        # aiohttp asks for 100 Continue in a task that nobody awaits; waiting for the answer raises the error anyway.
        with contextlib.suppress(aiohttp.ClientConnectionResetError):
            await super().write_bytes(*args, **options)


async def once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a request, even a DELETE, when a pooled connection breaks."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


async def _life(pool: Pool, pools: Pools, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[None, None]:
    """Suspended while the pool lives; a loop that shuts down finishes its generators, and so closes the pool."""
    try:
        yield
    finally:
        if (found := pools.get(loop)) and found[0] is pool:
            del pools[loop]
        await pool.close()


def _forget_closed(pools: Pools) -> None:
    """Drop the pools of loops that were closed without shutting down their generators."""
    for loop in list(pools):
        if loop.is_closed():
            _close_now(pools.pop(loop)[0])


def _close_rest(pools: Pools) -> None:
    for loop in list(pools):
        pool, life = pools.pop(loop)
        if loop.is_closed():
            _close_now(pool)
        elif loop.is_running():
            asyncio.run_coroutine_threadsafe(_end(life), loop)
        elif asyncio._get_running_loop() is None:  # noqa: SLF001 - the public one raises
            loop.run_until_complete(_end(life))


async def _end(life: AsyncGenerator[None, None]) -> None:
    await life.aclose()


def _close_now(pool: Pool) -> None:
    """Close a pool whose loop is closed: nothing can wait there."""
    closing = pool.close()
    with contextlib.suppress(StopIteration, RuntimeError):
        closing.send(None)
    closing.close()
