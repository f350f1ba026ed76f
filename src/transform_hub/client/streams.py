"""Byte streams to and from a Hub.

Reader   what a Hub sends, as chunks, lines, text or JSON values
Writer   what is sent to a Hub piece by piece, as long as it takes
Duplex   both, over one request
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import weakref
from collections.abc import AsyncIterator, Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

import aiohttp
import msgspec

from transform_hub.client.answers import FAILURES
from transform_hub.client.body import Body, Chunk, Sendable, body_of, pieces
from transform_hub.client.transport import Deadline, Request, Transport
from transform_hub.client.upload import Explain, Upload, as_told
from transform_hub.errors import StreamError, StreamTimeoutError

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

T = TypeVar("T")


class Reader:
    """A byte stream from a Hub; opened when it is first awaited, entered or iterated.

    Args:
        transport: carries it.
        path: below the API's base.
        headers: besides those of all requests.
        explain: finds out why it broke off.

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
    ) -> None:
        self._transport = transport
        self._request = Request("GET", path, headers or {}, idle_timeout=transport.idle_timeout)
        self._explain = explain
        self._response: aiohttp.ClientResponse | None = None
        self._finalizer: weakref.finalize[..., Reader] | None = None
        self._closed = False
        self._ended = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._response else "not open"
        return f"<{type(self).__name__} {self._transport.base}{self._request.path}, {state}>"

    def __await__(self) -> Generator[Any, None, Self]:
        """Open it now, so that an error such as 404 is raised here."""
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        return await self._opened()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over chunks as they come; the stream is closed when the iteration ends or is broken off."""
        async with self:
            while chunk := await self._next():
                yield chunk

    async def read(self) -> bytes:
        """Read everything up to the end.

        Raises:
            StreamError: it broke off before.
        """
        return b"".join([chunk async for chunk in self])

    async def text(self, errors: str = "replace") -> AsyncIterator[str]:
        """Iterate over pieces of text, as they come; characters are never cut.

        Args:
            errors: what to do with bytes that are not UTF-8: replace, strict, ignore, ...
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors)
        async with self:
            while chunk := await self._next():
                if text := decoder.decode(chunk):
                    yield text
        if text := decoder.decode(b"", final=True):
            yield text

    async def lines(self, *, keepends: bool = False, errors: str = "replace") -> AsyncIterator[str]:
        r"""Iterate over lines; they may be of any length, and the last one need not be terminated.

        Args:
            keepends: leave the ``\n`` or ``\r\n`` at the end of each line; nothing else ends one.
            errors: what to do with bytes that are not UTF-8: replace, strict, ignore, ...
        """
        async with self:
            async for line in self._byte_lines():
                yield (line if keepends else _without_end(line)).decode("utf-8", errors)

    @overload
    def json(self) -> AsyncIterator[Any]: ...
    @overload
    def json(self, type: type[T]) -> AsyncIterator[T]: ...

    async def json(self, type: Any = Any) -> AsyncIterator[Any]:
        """Iterate over JSON values, one on each line; empty lines are skipped.

        Args:
            type: what to decode to, e.g. a dataclass or :class:`msgspec.Struct`.

        Raises:
            StreamError: a line is not such a value; the text has its number.
        """
        decoder = msgspec.json.Decoder(type)
        number = 0
        async with self:
            async for line in self._byte_lines():
                number += 1
                if not line.strip():
                    continue
                try:
                    value = decoder.decode(line)
                except msgspec.DecodeError as error:
                    raise self._error(f"Line {number} is not what was expected: {error}") from None
                yield value

    async def close(self) -> None:
        """Close the stream and its connection; does nothing if it is closed."""
        self._closed = True
        if self._finalizer is not None:
            self._finalizer()

    async def _opened(self) -> Self:
        if self._response is None and not self._closed:
            self._response = await self._open()
            # Closes what is dropped without closing. It holds on to the response, which would otherwise
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
            self._ended = not chunk
            return chunk
        if self._closed:
            raise self._error("The stream was closed here")
        await self.close()
        raise await self._explain(failure)

    async def _byte_lines(self) -> AsyncIterator[bytes]:
        begun: list[bytes] = []  # the line that has no end yet; joined once, however many chunks it takes
        while chunk := await self._next():
            first, *rest = chunk.split(b"\n")
            begun.append(first)
            for following in rest:
                yield b"".join((*begun, b"\n"))
                begun = [following]
        if last := b"".join(begun):
            yield last

    def _about(self) -> dict[str, str]:
        return self._transport.describe(self._request)

    def _idle(self) -> StreamError:
        return StreamTimeoutError(f"Nothing came for {self._request.idle_timeout:g} s", **self._about())

    def _error(self, message: str) -> StreamError:
        return StreamError(message, **self._about())


def _without_end(line: bytes) -> bytes:
    if line.endswith(b"\n"):
        return line[:-2] if line.endswith(b"\r\n") else line[:-1]
    return line


class Writer:
    r"""A byte stream to a Hub, written piece by piece; opened when first awaited, entered or written to.

    Args:
        transport: carries it.
        path: below the API's base.
        headers: the content type and others.
        length: bytes that will be written, None if that is not known.
        patience: seconds in which the Hub has to say that it takes the stream; None is no limit.
        explain: finds out why it broke off.

    Example:
        >>> async with instance.open_input(content_type="text/plain") as writer:
        ...     await writer.write("one line\n")
    """

    def __init__(
        self,
        transport: Transport,
        path: str,
        *,
        headers: Mapping[str, str],
        length: int | None = None,
        patience: Deadline = "default",
        explain: Explain = as_told,
    ) -> None:
        self._transport = transport
        self._path = path
        self._headers = headers
        self._length = length
        self._patience = transport.timeout if patience == "default" else patience
        self._explain = explain
        self._upload: Upload | None = None
        self._answer: bytes | None = None

    def __repr__(self) -> str:
        state = "closed" if self._answer is not None else "open" if self._upload else "not open"
        return f"<{type(self).__name__} {self._transport.base}{self._path}, {state}>"

    def __await__(self) -> Generator[Any, None, Self]:
        """Open it now, so that an error such as 404 is raised here."""
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        return await self._opened()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.close()
        finally:
            if self._answer is None:
                self.abort()

    async def write(self, data: Chunk) -> None:
        """Write bytes or text, and wait as long as the Hub pushes back.

        Raises:
            HubResponseError: the Hub does not take the stream.
            InstanceEndedError: the Instance ended.
            StreamError: the Hub broke off, or the stream was closed here.
        """
        await self._opened()
        assert self._upload is not None
        if self._answer is not None:
            raise StreamError("The stream was closed here", **self._upload.request)
        for piece in pieces(data):
            await self._upload.write(piece)

    async def send(self, data: Sendable | Body) -> None:
        """Write all of a file, an iterable or anything else that can be sent; raises what ``write`` does."""
        body = data if isinstance(data, Body) else body_of(data)
        async with contextlib.aclosing(body.pieces) as all_pieces:
            async for piece in all_pieces:
                await self.write(piece)

    async def close(self) -> bytes:
        """End the stream, and wait until the Hub has taken all of it.

        Returns:
            The body of the Hub's answer.

        Raises:
            HubResponseError: the Hub does not take the stream.
            InstanceEndedError: the Instance ended.
            StreamError: the Hub broke off.
        """
        await self._opened()
        assert self._upload is not None
        if self._answer is not None:
            return self._answer
        self._upload.finish()
        self._answer = await self._upload.confirmed()
        return self._answer

    def abort(self) -> None:
        """Break the stream off: the connection is dropped, and the Hub can tell that it was not the end."""
        if self._upload is not None:
            self._upload.abort()

    async def _opened(self) -> Self:
        if self._upload is None:
            self._upload = Upload(
                self._transport, self._path, self._headers, length=self._length, explain=self._explain
            )
        await self._upload.accepted(self._patience)
        return self
