"""Reading a stream from a Hub.

An answer of HTTP/1.1 says where it ends. One of HTTP/1.0 ends with its connection, lost or not: proxies that use it, as
nginx does by default, hide a loss. The Hub says so (``X-Stream-End: unmarked``), and is asked whether the stream has
ended where the answer did.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import aiohttp
from aiohttp import hdrs

from transform_hub.client.body import Progress
from transform_hub.client.failures import FAILURES
from transform_hub.client.readable import Readable
from transform_hub.client.request import READ_SIZE, Request
from transform_hub.client.transport import Deadline, Transport
from transform_hub.client.upload import Explain, as_told
from transform_hub.errors import RequestError, StreamError, StreamTimeoutError
from transform_hub.models.rules import END, POSITION, UNMARKED

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11


class Reader(Readable[NoReturn]):
    """A byte stream from a Hub, opened by its first use.

    Attributes:
        received: bytes so far.

    Example:
        >>> async with instance.get_output() as output:
        ...     async for line in output.lines():
        ...         print(line)
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        explain: Explain = as_told,
        idle_timeout: Deadline = "default",
        progress: Progress | None = None,
        read_size: int = READ_SIZE,
        checks_end: bool = True,
    ) -> None:
        idle = transport.idle_timeout if idle_timeout == "default" else idle_timeout
        self._transport = transport
        self._request = Request("GET", path, headers or {}, idle_timeout=idle, read_size=read_size)
        self._look = path  # where HEAD tells whether the stream has ended
        self._checks_end = checks_end
        self._explain = explain
        self._progress = progress
        self._response: aiohttp.ClientResponse | None = None
        self._finalizer: weakref.finalize[..., Reader] | None = None
        self._closed = False
        self._ended = False
        self.received = 0

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._response else "not open"
        return f"<{type(self).__name__} {self._transport.base}{self._request.path}, {state}>"

    def __await__(self) -> Generator[Any, None, Self]:
        """Open the stream now, so that an error such as 404 is raised here."""
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        return await self._opened()

    @property
    def position(self) -> int | None:
        """Bytes of the stream before the first one read here; None if it is not open, or the Hub does not count."""
        text = self._response.headers.get(POSITION, "") if self._response is not None else ""
        return int(text) if text.isascii() and text.isdigit() else None

    async def close(self) -> None:
        """Close the stream and its connection; does nothing if it is closed."""
        self._closed = True
        if self._finalizer is not None:
            self._finalizer()

    async def _opened(self) -> Self:
        if self._response is None and not self._closed:
            self._response = await self._open()
            # Closes a stream that is dropped without close(). It holds on to the response, which would otherwise
            # complain when it is collected before the reader.
            self._finalizer = weakref.finalize(self, self._response.close)
            self._finalizer.atexit = False
            if self._closed:  # by another task, meanwhile
                self._finalizer()
        return self

    async def _open(self) -> aiohttp.ClientResponse:
        return await self._transport.open(self._request)

    async def _next(self) -> bytes:
        """The next chunk, empty at the end."""
        if self._ended:
            return b""
        if self._closed or self._response is None:
            raise self._error("The stream was closed here")
        failure: StreamError
        try:
            chunk = await self._response.content.readany()
        except asyncio.TimeoutError:
            failure = self._idle()
        except FAILURES as error:
            failure = self._error(f"The stream broke off: {error or type(error).__name__}")
            failure.__cause__ = error
        else:
            if chunk or self._is_marked or await self._ends_here():
                self._count(chunk)
                return chunk
            failure = self._error("The stream broke off, which a proxy on the way has hidden")
        if self._closed:
            raise self._error("The stream was closed here")
        await self.close()
        raise await self._explain(failure)

    @property
    def _is_marked(self) -> bool:
        """Whether the end of the answer can't be a lost connection, as far as anybody can tell."""
        assert self._response is not None
        headers = self._response.headers
        if not self._checks_end or self.position is None:  # only our Hub can be asked
            return True
        is_framed = hdrs.TRANSFER_ENCODING in headers or hdrs.CONTENT_LENGTH in headers
        return is_framed and headers.get(END) != UNMARKED

    async def _ends_here(self) -> bool:
        """Whether the Hub says that the stream has ended with what was received."""
        assert self.position is not None
        try:
            response = await self._transport.open(Request("HEAD", self._look, limit=self._transport.timeout))
        except RequestError:
            return False
        response.release()
        return response.headers.get(END) == str(self.position + self.received)

    def _count(self, chunk: bytes) -> None:
        self._ended = not chunk
        self.received += len(chunk)
        if self._progress is not None and chunk:
            assert self._response is not None
            self._progress(self.received, self._response.content_length)

    def _about(self) -> dict[str, str]:
        return self._transport.describe(self._request)

    def _idle(self) -> StreamError:
        return StreamTimeoutError(f"Nothing came for {self._request.idle_timeout:g} s", **self._about())

    def _error(self, message: str) -> StreamError:
        return StreamError(message, **self._about())
