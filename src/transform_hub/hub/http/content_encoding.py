"""Bodies with a ``Content-Encoding``: decoded as they come, or refused.

What is decoded is handed on in pieces of bounded size, however few bytes they were made of: whoever takes them paces
the decoding, so a bomb costs no memory. Limits of packages and JSON count decoded bytes; so do positions of streams.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator

from aiohttp import hdrs
from multidict import CIMultiDictProxy

from transform_hub.hub.errors import ApiError

TAKEN = ("gzip", "deflate")

PIECE = 256 * 1024
"""Bytes that are decoded at once."""

_SLICE = 16 * 1024  # zlib copies all that follows the end of a gzip member: many small ones would take quadratic time
_PROBE = 64 * 1024  # encoded bytes in which a package has to show its first two


def encoding_of(headers: CIMultiDictProxy[str]) -> str | None:
    """How the body of a request is encoded; None if it is not.

    Raises:
        ApiError: the encoding is not supported.
    """
    given = ",".join(headers.getall(hdrs.CONTENT_ENCODING, ())).lower()
    names = [name for each in given.split(",") if (name := each.strip().removeprefix("x-")) not in ("", "identity")]
    if not names:
        return None
    if len(names) > 1 or names[0] not in TAKEN:
        message = f"The content encoding {', '.join(names)} is not supported; use {' or '.join(TAKEN)}"
        raise ApiError(415, message, headers={hdrs.ACCEPT_ENCODING: ", ".join(TAKEN)})
    return names[0]


class Decoder:
    """Decodes one body.

    Args:
        encoding: one of ``TAKEN``.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._inflate = zlib.decompressobj(31)
        self._begun = False
        self._ended = False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What some more bytes decode to.

        Raises:
            ApiError: they are damaged.
        """
        for at in range(0, len(data), _SLICE):
            yield from self._decode(data[at : at + _SLICE])

    def end(self) -> None:
        """That was all.

        Raises:
            ApiError: something is missing.
        """
        if self._begun and not self._ended:
            raise self._damaged("it ends too early")

    def _decode(self, data: bytes) -> Iterator[bytes]:
        is_full = False
        while data or is_full:
            if self._ended or not self._begun:
                self._begin(data)
            try:
                piece = self._inflate.decompress(data, PIECE)
            except zlib.error as error:
                raise self._damaged(str(error).rpartition(": ")[2]) from None
            self._ended = self._inflate.eof
            is_full = len(piece) == PIECE and not self._ended
            data = self._inflate.unused_data if self._ended else self._inflate.unconsumed_tail
            if piece:
                yield piece

    def _begin(self, data: bytes) -> None:
        if self._encoding == "gzip":  # which may be several in a row
            self._inflate = zlib.decompressobj(31)
        elif self._begun:
            raise self._damaged("something follows its end")
        else:  # many send deflate without the head of zlib that the standard wants
            self._inflate = zlib.decompressobj(15 if data[0] & 15 == zlib.DEFLATED else -15)
        self._begun, self._ended = True, False

    def _damaged(self, why: str) -> ApiError:
        return ApiError(400, f"The body of the request is not {self._encoding}, or damaged: {why}")


async def decoded(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """Decode the chunks of a body.

    Raises:
        ApiError: they are damaged.
    """
    decoder = Decoder(encoding)
    async for chunk in chunks:
        for piece in decoder.pieces(chunk):
            yield piece
            await asyncio.sleep(0)  # one who takes everything at once does not wait for others
    decoder.end()


async def decoded_package(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """Decode the chunks of a package, unless the encoding that is told is that of the tar.gz itself.

    Raises:
        ApiError: they are damaged.
    """
    begun = b""
    async for chunk in chunks:
        begun += chunk
        if (inner := _first_bytes(begun)) or len(begun) > _PROBE:
            break
    else:
        inner = b""
    both = chained(begun, chunks)
    async for piece in decoded(both, encoding) if encoding != "gzip" or inner == b"\x1f\x8b" else both:
        yield piece


def _first_bytes(data: bytes) -> bytes:
    """The first two bytes in a gzip stream; empty while they are not there, or if it is none."""
    try:
        found = zlib.decompressobj(31).decompress(data, 2)
    except zlib.error:
        return b""
    return found if len(found) == 2 else b""


async def chained(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Chunks, of which the first was taken already."""
    if first:
        yield first
    async for chunk in chunks:
        yield chunk


def decoded_whole(data: bytes, encoding: str, limit: int) -> bytes | None:
    """Decode a whole body; None if it has more than so many bytes.

    Raises:
        ApiError: it is damaged.
    """
    decoder, pieces, size = Decoder(encoding), [], 0
    for piece in decoder.pieces(data):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            return None
    decoder.end()
    return b"".join(pieces)
