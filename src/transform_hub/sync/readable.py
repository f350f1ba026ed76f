"""What can be read piece by piece: as chunks, text, lines or JSON values.

Made by tools/make_sync of transform_hub.client.readable: edit that, and run ``make sync``.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, overload

import msgspec

from transform_hub.client import readable as native
from transform_hub.client.json_line import decode_damaged
from transform_hub.client.readable import G, T, _without_end
from transform_hub.sync.mirror import MirroredStream

if TYPE_CHECKING:
    from typing_extensions import Self


class Readable(MirroredStream, Generic[G], of=native.Readable):
    """A stream of bytes, in which there may be gaps (``G``)."""

    _async: native.Readable[G]

    def __enter__(self) -> Self:
        self._run(self._async.__aenter__)
        return self

    def __exit__(self, *_: object) -> None:
        self._leave(self._async.__aexit__, *_)

    def close(self) -> None:
        """Close the stream and its connection; does nothing if it is closed."""
        self._leave(self._async.close)

    def read(self) -> bytes:
        """Read everything up to the end.

        Raises:
            StreamError: it broke off before, or something may be missing.
        """
        return self._run(self._async.read)

    def __iter__(self) -> Iterator[bytes | G]:
        """Iterate over chunks as they come; the stream is closed when the iteration ends or is broken off."""
        with self:
            while chunk := self._run(self._async._next):
                yield chunk

    def text(self, errors: str = "replace") -> Iterator[str | G]:
        """Iterate over pieces of text, as they come; characters are never cut.

        Args:
            errors: what to do with bytes that are not UTF-8: replace, strict, ignore, ...
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors)
        with self:
            while chunk := self._run(self._async._next):
                if not isinstance(chunk, bytes):
                    decoder.reset()
                    yield chunk
                elif text := decoder.decode(chunk):
                    yield text
        if text := decoder.decode(b"", final=True):
            yield text

    def lines(self, *, keepends: bool = False, errors: str = "replace") -> Iterator[str | G]:
        r"""Iterate over lines; they may be of any length, and the last one need not be terminated.

        Args:
            keepends: leave the ``\n`` or ``\r\n`` at the end of each line; nothing else ends one.
            errors: what to do with bytes that are not UTF-8: replace, strict, ignore, ...
        """
        with self:
            for line in self._byte_lines():
                if isinstance(line, bytes):
                    yield (line if keepends else _without_end(line)).decode("utf-8", errors)
                else:
                    yield line

    @overload
    def json(self) -> Iterator[Any]: ...

    @overload
    def json(self, type: type[T]) -> Iterator[T | G]: ...

    def json(self, type: Any = Any) -> Iterator[Any]:
        """Iterate over JSON values, one on each line; empty lines are skipped.

        Args:
            type: what to decode to, e.g. a dataclass or :class:`msgspec.Struct`.

        Raises:
            StreamError: a line is not such a value; the text has its number.
        """
        decoder = msgspec.json.Decoder(type)
        number = 0
        with self:
            for line in self._byte_lines():
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
                        raise self._async._error(f"Line {number} is not what was expected: {error}") from None
                yield value

    def _byte_lines(self) -> Iterator[bytes | G]:
        begun: list[bytes] = []
        while chunk := self._run(self._async._next):
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
