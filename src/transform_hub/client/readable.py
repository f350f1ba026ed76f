"""What can be read piece by piece: as chunks, text, lines or JSON values."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import msgspec

from transform_hub.client.json_line import decode_damaged
from transform_hub.errors import StreamError

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11


@dataclass(frozen=True)
class Gap:
    """A place in a followed stream where something may be missing.

    It stands between what came before the connection was lost and what came after it was made again; there is none
    where the stream goes on right where it was lost. What comes after it may begin within a line.

    Attributes:
        cause: what ended the connection.
        seconds: from the loss to the new connection.
        tries: connections that were tried.
        partial: the beginning of a line that was cut off; it is not given as a line.
        missing: bytes that are lost; None if the Hub does not count them.
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
            StreamError: it broke off before, or something may be missing.
        """
        chunks = []
        async with self:
            while chunk := await self._next():
                if not isinstance(chunk, bytes):
                    raise self._error(f"The stream is not whole: {chunk}")
                chunks.append(chunk)
        return b"".join(chunks)

    async def __aiter__(self) -> AsyncIterator[bytes | G]:
        """Iterate over chunks as they come; the stream is closed when the iteration ends or is broken off."""
        async with self:
            while chunk := await self._next():
                yield chunk

    async def text(self, errors: str = "replace") -> AsyncIterator[str | G]:
        """Iterate over pieces of text, as they come; characters are never cut.

        Args:
            errors: what to do with bytes that are not UTF-8: replace, strict, ignore, ...
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors)
        async with self:
            while chunk := await self._next():
                if not isinstance(chunk, bytes):
                    decoder.reset()
                    yield chunk
                elif text := decoder.decode(chunk):
                    yield text
        if text := decoder.decode(b"", final=True):
            yield text

    async def lines(self, *, keepends: bool = False, errors: str = "replace") -> AsyncIterator[str | G]:
        r"""Iterate over lines; they may be of any length, and the last one need not be terminated.

        Args:
            keepends: leave the ``\n`` or ``\r\n`` at the end of each line; nothing else ends one.
            errors: what to do with bytes that are not UTF-8: replace, strict, ignore, ...
        """
        async with self:
            async for line in self._byte_lines():
                if isinstance(line, bytes):
                    yield (line if keepends else _without_end(line)).decode("utf-8", errors)
                else:
                    yield line

    @overload
    def json(self) -> AsyncIterator[Any]: ...
    @overload
    def json(self, type: type[T]) -> AsyncIterator[T | G]: ...

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
                if not isinstance(line, bytes):
                    yield line
                    continue
                number += 1
                if not line.strip():
                    continue
                try:
                    value = decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    try:
                        value = decode_damaged(line, type)
                    except (ValueError, RecursionError) as error:
                        raise self._error(f"Line {number} is not what was expected: {error}") from None
                yield value

    async def _byte_lines(self) -> AsyncIterator[bytes | G]:
        begun: list[bytes] = []  # the line that has no end yet; joined once, however many chunks it takes
        while chunk := await self._next():
            if not isinstance(chunk, bytes):
                yield replace(chunk, partial=b"".join(begun))
                begun = []
                continue
            first, *rest = chunk.split(b"\n")
            begun.append(first)
            for following in rest:
                yield b"".join((*begun, b"\n"))
                begun = [following]
        if last := b"".join(begun):
            yield last


def _without_end(line: bytes) -> bytes:
    if line.endswith(b"\n"):
        return line[:-2] if line.endswith(b"\r\n") else line[:-1]
    return line
