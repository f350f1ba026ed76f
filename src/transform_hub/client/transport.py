"""Requests to a Hub: sessions, credentials, deadlines, retries, and errors instead of statuses.

There are two kinds of request:

    call     one answer, read as a whole; has one deadline, over all tries
    stream   an answer that is read, or a body that is written, as long as it takes; has a deadline for the
             connection, and one for silence if wanted
"""

from __future__ import annotations

import asyncio
import copy
import logging
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import aiohttp
import msgspec
from aiohttp import hdrs
from multidict import CIMultiDict

from transform_hub.client.address import Address
from transform_hub.client.answers import decode, refusal
from transform_hub.client.credentials import Credentials, Token
from transform_hub.client.failures import FAILURES, failure, may_repeat
from transform_hub.client.proxy import proxy_for
from transform_hub.client.request import Request, StreamBody
from transform_hub.client.sessions import Pool, Sessions, once
from transform_hub.client.tls import TLS
from transform_hub.errors import (
    AuthenticationError,
    HubTimeoutError,
    PermissionDeniedError,
    RequestError,
)

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

log = logging.getLogger(__name__)

T = TypeVar("T")

Deadline = float | Literal["default"] | None
"""Seconds for a call; None is no limit, ``default`` the client's."""

JSON_TYPE = "application/json"
PAUSES = (0.1, 0.3, 0.9)
"""Seconds between the tries of a call, each up to half as long again."""

Consumer = Callable[[aiohttp.ClientResponse, Pool], Awaitable[T]]


class Transport:
    """Carries the requests of one client.

    Args:
        url: of the Hub's API.
        token: sent as bearer token; or a function, sync or async, that returns a fresh one.
        headers: sent with each request.
        timeout: seconds for a call, tries and pauses included; None is no limit.
        connect_timeout: seconds for making a connection.
        idle_timeout: seconds that a stream which is read may be silent; None is no limit.
        tls: settings of secure connections.
        trust_env: use the HTTP proxy that the environment names.
        connector: makes the connections instead of one of its own; stays open.
        server: name of the server in errors: Hub, Manager, ...

    Raises:
        ValueError: ``url`` can't be the URL of a Hub; or the settings of TLS or of the proxy can't be used.
        OSError: a file of the TLS settings can't be read.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
        connect_timeout: float = 10.0,
        idle_timeout: float | None = None,
        tls: TLS | ssl.SSLContext | None = None,
        trust_env: bool = True,
        connector: aiohttp.BaseConnector | None = None,
        server: str = "Hub",
    ) -> None:
        self._address = Address.parse(url)
        self._proxy = proxy_for(self._address.url("")) if trust_env and self._address.socket is None else None
        self._credentials = Credentials(token, self._address.authorization)
        self._headers = dict(headers or {})
        self._connect_timeout = connect_timeout
        context = tls.context() if isinstance(tls, TLS) else tls
        self._sessions = Sessions(connector, socket=self._address.socket, tls=context)
        self._is_owner = True
        self.server = self._reached = server  # an API below another is served by one, and reached through the other
        self.timeout = timeout
        self.idle_timeout = idle_timeout

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base!r})"

    @property
    def base(self) -> str:
        """URL of the API, without credentials."""
        return self._address.base

    def below(self, path: str) -> Self:
        """The transport for an API below this one, like that of a Hub behind a Manager.

        It shares connections, token, headers and timeouts with this one.

        Args:
            path: below this API's base, quoted, with a slash in front.
        """
        lower = copy.copy(self)
        lower._address = self._address.below(path)  # noqa: SLF001 - of this class
        lower._is_owner = False  # noqa: SLF001
        return lower

    def named(self, server: str) -> Self:
        """This transport with another name of the server in errors: Hub, Manager, ..."""
        other = copy.copy(self)
        other.server = server
        return other

    async def close(self) -> None:
        """Close the connections of the running event loop; does nothing if they belong to another transport."""
        if self._is_owner:
            await self._sessions.close()

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: Deadline = "default",
    ) -> T:
        """Make a call.

        Args:
            method: GET, POST or DELETE.
            path: below the API's base, quoted, with a slash in front.
            answer: type to decode the answer's JSON to.
            body: becomes JSON; None is an empty body.
            headers: besides those of all requests.
            timeout: seconds over all tries.

        Returns:
            The answer.

        Raises:
            HubConnectionError: no Hub answered.
            HubTimeoutError: not in time.
            HubResponseError: an error status, or an answer that can't be decoded.
        """
        own = dict(headers or {})
        if method != hdrs.METH_GET:
            own.setdefault(hdrs.CONTENT_TYPE, JSON_TYPE)  # STH wants it with empty bodies as well
        data = None if body is None else msgspec.json.encode(body)
        limit = self.timeout if timeout == "default" else timeout
        request = Request(method, path, own, data, limit=limit)

        async def read(response: aiohttp.ClientResponse, _: Pool) -> T:
            content = await _whole(response)
            return decode(content, answer, status=response.status, server=self.server, request=self.describe(request))

        return await self._repeated(request, read)

    async def open(self, request: Request) -> aiohttp.ClientResponse:
        """Send a request and return with the head of its answer; has no deadline.

        Args:
            request: repeated only until the Hub asks for its body.

        Returns:
            The answer, its status checked, its body unread. The caller closes it.

        Raises:
            HubConnectionError, HubResponseError: as for calls.
        """
        return await self._repeated(request, _open)

    def describe(self, request: Request) -> dict[str, str]:
        """A request's fields of an error."""
        return {"method": request.method, "url": self.base + request.path, "request_id": request.id}

    def default_headers(self) -> Mapping[str, str]:
        """Headers of all requests."""
        return self._headers

    async def _repeated(self, request: Request, consume: Consumer[T]) -> T:
        """The first try is outside the loop of retries: wait_for costs 10 % of a small call."""
        try:
            return await self._authorized(request, consume)
        except RequestError as error:
            if not may_repeat(error):
                raise
            first = error
        try:
            return await asyncio.wait_for(self._again(first, request, consume), request.remaining)
        except RequestError:
            raise
        except asyncio.TimeoutError:
            raise self._late(request, first) from first

    async def _again(self, error: RequestError, request: Request, consume: Consumer[T]) -> T:
        for pause in PAUSES:
            pause *= random.uniform(1, 1.5)  # noqa: S311, PLW2901 - lest all clients retry at once
            log.info("Retrying in %.1f s: %s", pause, error)
            await asyncio.sleep(pause)
            try:
                return await self._authorized(request, consume)
            except RequestError as failed:
                error = failed
                if not may_repeat(error):
                    raise
        raise error

    def _late(self, request: Request, cause: RequestError | None = None) -> HubTimeoutError:
        """The error after the deadline; it names what was wrong before, if anything was."""
        message, hint = f"The {self._reached} did not answer within {request.limit:g} s", ""
        if cause is not None:
            message, hint = f"{message}: {cause.message}", cause.hint
        return HubTimeoutError(message, hint=hint, **self.describe(request))

    async def _authorized(self, request: Request, consume: Consumer[T]) -> T:
        credentials = self._credentials
        try:
            return await self._send(request, await credentials.header(request.remaining), consume)
        except (AuthenticationError, PermissionDeniedError):
            # A Hub refuses before it asks for a streamed body; after that the body is lost.
            if not credentials.can_be_fresh or request.has_begun:
                raise
        return await self._send(request, await credentials.header(request.remaining), consume)

    async def _send(self, request: Request, authorization: str, consume: Consumer[T]) -> T:
        headers = CIMultiDict(self.default_headers())
        headers.update(request.headers)
        headers["x-request-id"] = request.id
        if authorization:
            headers[hdrs.AUTHORIZATION] = authorization
        if self._proxy is not None and not self.base.startswith("https:"):
            headers.update(self._proxy.headers)  # aiohttp sends them only to a proxy that makes a tunnel
        self._refuse_to_block()
        pool = await self._sessions.get()
        error: RequestError
        try:
            response = await self._exchange(pool, request, headers)
            if response.status < 300:
                return await consume(response, pool)
            error = await refusal(
                response,
                base=self.base,
                server=self.server,
                authorized=hdrs.AUTHORIZATION in headers,
                request=self.describe(request),
            )
        except FAILURES as cause:
            error = self._failure(cause, request)
            # A ClientResponseError holds the request's headers, and so the token.
            error.__cause__ = None if isinstance(cause, aiohttp.ClientResponseError) else cause
        raise error  # outside of except, so that no __context__ is kept either

    def _refuse_to_block(self) -> None:
        if self._address.is_blocked_by_caller:
            raise RuntimeError(
                f"The {self.server} at {self.base} runs in the event loop of this thread, and could not answer while a "
                "sync client waits: use the async HostClient here, or the sync one in another thread "
                "(`await asyncio.to_thread(...)`)"
            )

    def _failure(self, cause: BaseException, request: Request) -> RequestError:
        timed_out = isinstance(cause, asyncio.TimeoutError) and not isinstance(cause, aiohttp.ServerTimeoutError)
        if timed_out:  # the total, not just connecting
            return self._late(request)
        return failure(cause, base=self.base, server=self._reached, request=self.describe(request))

    async def _exchange(self, pool: Pool, request: Request, headers: CIMultiDict[str]) -> aiohttp.ClientResponse:
        return await pool.session.request(
            request.method,
            self._address.url(request.path),
            headers=headers,
            data=request.body,
            # aiohttp holds the head back until the first chunk is written, which may take long. With Expect it
            # sends the head at once, and the body when the Hub asks for it.
            expect100=isinstance(request.body, StreamBody),
            allow_redirects=request.method == hdrs.METH_GET,
            read_bufsize=request.read_size,
            middlewares=() if request.method == hdrs.METH_GET else (once,),
            proxy=self._proxy and self._proxy.url,
            proxy_headers=self._proxy and self._proxy.headers,
            timeout=aiohttp.ClientTimeout(
                total=request.remaining,
                connect=self._connect_timeout,
                sock_connect=self._connect_timeout,
                sock_read=request.idle_timeout,
            ),
        )


async def _open(response: aiohttp.ClientResponse, pool: Pool) -> aiohttp.ClientResponse:
    pool.answers.add(response)
    return response


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.read()
    except BaseException:
        response.close()
        raise
