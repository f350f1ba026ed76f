"""Streams that are read piece by piece: as chunks, text, lines or JSON values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from transform_hub.client.decoders import Chunks, Decoder, Json, Lines, Messages, Text
from transform_hub.errors import StreamError

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11


@dataclass(frozen=True)
class Gap:
    """A place in a followed or tapped stream where something may be missing.

    It stands between what came before a connection was lost and what came after the next one was made, unless the
    stream resumes at the very byte. What follows may begin within a line.

    Attributes:
        cause: what ended the connection.
        seconds: from the loss to the new connection.
        tries: attempts to connect.
        partial: the start of a line that was cut off; it is not given as a line.
        missing: lost bytes; None if the Hub does not count them.
    """

    cause: Exception
    seconds: float
    tries: int
    partial: bytes = b""
    missing: int | None = None

    def __str__(self) -> str:
        lost = "" if self.missing is None else f", {self.missing} bytes are missing"
        cut = f", a line was cut off after {len(self.partial)} bytes" if self.partial else ""
        return f"[gap of {self.seconds:.1f} s: {self.cause}{lost}{cut}]"


T = TypeVar("T")
G = TypeVar("G", bound=Gap)


class Readable(ABC, Generic[G]):
    """A stream of bytes, in which there may be gaps (``G``)."""

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @abstractmethod
    async def close(self) -> None:
        """Close the stream and its connection; does nothing if it is closed."""

    @abstractmethod
    async def _next(self) -> bytes | G:
        """The next chunk or gap, empty at the end."""

    @abstractmethod
    def _error(self, message: str) -> StreamError:
        """An error about this stream."""

    async def read(self) -> bytes:
        """Read everything up to the end.

        Raises:
            StreamError: the stream broke off, or something may be missing.
        """
        chunks = []
        async with self:
            while chunk := await self._next():
                if not isinstance(chunk, bytes):
                    raise self._error(f"The stream is incomplete: {chunk}")
                chunks.append(chunk)
        return b"".join(chunks)

    def __aiter__(self) -> AsyncIterator[bytes | G]:
        """Iterate over chunks as they come; leaving the loop closes the stream."""
        return self._decoded(Chunks())

    def text(self, errors: str = "replace") -> AsyncIterator[str | G]:
        """Iterate over pieces of text as they come; characters are never cut.

        Args:
            errors: what to do with bytes that are not UTF-8: replace, strict, ignore, ...
        """
        return self._decoded(Text(errors))

    def lines(self, *, keepends: bool = False, errors: str = "replace") -> AsyncIterator[str | G]:
        r"""Iterate over lines of any length; the last one need not end in a newline.

        Args:
            keepends: leave the ``\n`` or ``\r\n`` at the end of each line; nothing else ends one.
            errors: what to do with bytes that are not UTF-8: replace, strict, ignore, ...
        """
        return self._decoded(Lines(errors, keepends=keepends))

    @overload
    def json(self) -> AsyncIterator[Any]: ...
    @overload
    def json(self, type: type[T]) -> AsyncIterator[T | G]: ...

    def json(self, type: Any = Any) -> AsyncIterator[Any]:
        """Iterate over JSON values, one on each line; empty lines are skipped.

        Args:
            type: what to decode to, e.g. a dataclass or :class:`msgspec.Struct`.

        Raises:
            StreamError: a line is not such a value; the message has its number.
        """
        return self._decoded(Json(type, self._error))

    def messages(self) -> AsyncIterator[bytes | G]:
        """Iterate over whole binary messages: of a topic of ``application/vnd.scramjet.messages``, or such an output.

        Raises:
            StreamError: it is no such stream, or ends within a message.
        """
        return self._decoded(Messages(self._error))

    async def _decoded(self, decoder: Decoder[T]) -> AsyncIterator[T | G]:
        async with self:
            while chunk := await self._next():
                if isinstance(chunk, bytes):
                    for item in decoder.feed(chunk):
                        yield item
                else:
                    yield replace(chunk, partial=decoder.cut())
            for item in decoder.finish():
                yield item
