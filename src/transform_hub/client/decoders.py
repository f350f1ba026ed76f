"""Decoders of byte streams, without I/O: to chunks, text, lines, JSON values."""

from __future__ import annotations

import codecs
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import msgspec

from transform_hub.client.json_line import decode_damaged
from transform_hub.errors import StreamError
from transform_hub.messages import LengthPrefixedBuffer, MessageTooLongError
from transform_hub.protocol import LineBuffer

T = TypeVar("T")


class Decoder(ABC, Generic[T]):
    """Turns the chunks of a stream into items."""

    @abstractmethod
    def feed(self, chunk: bytes) -> Iterable[T]:
        """The items that a chunk completes."""

    def cut(self) -> bytes:
        """Forget the unfinished item; its bytes, for a line."""
        return b""

    def finish(self) -> Iterable[T]:
        """The items that the end of the stream completes."""
        return ()


class Chunks(Decoder[bytes]):
    """The bytes as they come."""

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        return (chunk,)


class Text(Decoder[str]):
    """Pieces of text; characters are never cut."""

    def __init__(self, errors: str) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)

    def feed(self, chunk: bytes) -> Iterable[str]:
        return filter(None, (self._decoder.decode(chunk),))

    def cut(self) -> bytes:
        self._decoder.reset()
        return b""

    def finish(self) -> Iterable[str]:
        return filter(None, (self._decoder.decode(b"", final=True),))


class _ByLine(Decoder[T]):
    def __init__(self) -> None:
        self._buffer = LineBuffer()

    def feed(self, chunk: bytes) -> Iterator[T]:
        return self._decoded(self._buffer.lines(chunk))

    def cut(self) -> bytes:
        return self._buffer.flush()

    def finish(self) -> Iterator[T]:
        return self._decoded(filter(None, (self._buffer.flush(),)))

    @abstractmethod
    def _decoded(self, lines: Iterable[bytes]) -> Iterator[T]: ...


class Lines(_ByLine[str]):
    r"""Lines; only ``\n`` and ``\r\n`` end one."""

    def __init__(self, errors: str, *, keepends: bool) -> None:
        super().__init__()
        self._errors = errors
        self._keepends = keepends

    def _decoded(self, lines: Iterable[bytes]) -> Iterator[str]:
        for line in lines:
            yield (line if self._keepends else _without_end(line)).decode("utf-8", self._errors)


class Json(_ByLine[T]):
    """JSON values, one on each line.

    Args:
        type: to decode to.
        error: makes the error for a line that is not such a value.
    """

    def __init__(self, type: type[T], error: Callable[[str], StreamError]) -> None:
        super().__init__()
        self._type = type
        self._decoder: Any = msgspec.json.Decoder(type)
        self._error = error
        self._number = 0

    def _decoded(self, lines: Iterable[bytes]) -> Iterator[T]:
        for line in lines:
            self._number += 1
            if line.strip():
                yield self._value(line)

    def _value(self, line: bytes) -> T:
        try:
            value: T = self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            try:
                value = decode_damaged(line, self._type)
            except (ValueError, RecursionError) as error:
                raise self._error(f"Line {self._number} is not what was expected: {error}") from None
        return value


class Messages(Decoder[bytes]):
    """Whole binary messages, each with its length before it.

    Args:
        error: makes the error for what is no such stream.
    """

    def __init__(self, error: Callable[[str], StreamError]) -> None:
        self._buffer = LengthPrefixedBuffer()
        self._error = error

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        try:
            yield from self._buffer.messages(chunk)
        except MessageTooLongError as error:
            raise self._error(f"This is not a stream of messages: {error}") from None

    def cut(self) -> bytes:
        return self._buffer.flush()

    def finish(self) -> Iterator[bytes]:
        if self._buffer.size:
            raise self._error(f"The stream ends within a message, of which {self._buffer.size} bytes have come")
        return iter(())


def _without_end(line: bytes) -> bytes:
    if line.endswith(b"\n"):
        return line[:-2] if line.endswith(b"\r\n") else line[:-1]
    return line
