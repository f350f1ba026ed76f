"""Streams over HTTP: a Channel, or a Topic, into an answer. Bodies of requests are in ``uploads``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from aiohttp import HttpVersion11, hdrs, web

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.route import require_acceptable
from transform_hub.hub.topics.bus import TopicMember
from transform_hub.models.rules import BINARY, END, POSITION, UNMARKED, media_type

log = logging.getLogger(__name__)

PIECE = 256 * 1024
"""Bytes of an item that are written at once."""

LARGE = 32 * 1024
"""Bytes from which on a chunk is worth three writes instead of one copy."""

PASSED_ON = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
"""Headers of streams: proxies pass each byte on at once, as it is."""


class Reader(Protocol):
    """A place in a stream."""

    position: int
    missed: int

    async def read(self) -> bytes:
        """The next bytes as soon as there are any; ``b""`` at the end."""


class Readable(Protocol):
    """What an answer is read from: a Channel, a Topic."""

    def reader(self, at: int | None = None, *, tap: bool = False) -> AbstractAsyncContextManager[Reader]:
        """A new reader."""


async def stream_response(
    request: web.Request, source: Readable, content_type: str | None = None
) -> web.StreamResponse:
    """Answer with what a reader of a stream gives, until its end or the client's.

    Args:
        request: what is answered.
        source: of the stream.
        content_type: that its writer has declared.
    """
    require_acceptable(request, BINARY, *([media_type(content_type)] if content_type else []))
    response = stream_answer(request, content_type)
    if request.method == hdrs.METH_HEAD:  # a look must not take data from anybody
        if isinstance(source, Channel) and source.closed:
            response.headers[END] = str(source.written)
        await response.prepare(request)
        return response
    position, is_tap = wanted_place(request)
    async with source.reader(position, tap=is_tap) as reader:
        response.headers[POSITION] = str(reader.position)
        await response.prepare(request)
        is_whole = await send_all(request, reader, response, is_tap=is_tap)
    if is_whole:
        with contextlib.suppress(ConnectionError):
            await response.write_eof()
    return response


async def share_response(request: web.Request, member: TopicMember, group: str) -> web.StreamResponse:
    """Answer with the items that a member of a group of readers gets, each once the one before is with the kernel."""
    response = stream_answer(request)
    if request.method == hdrs.METH_HEAD:
        await response.prepare(request)
        return response
    given = 0
    with member:
        await response.prepare(request)
        try:
            while (item := await member.next()) is not None:
                await _send_item(request, item.data, response)
                member.done()
                given += 1
        except (ConnectionError, asyncio.CancelledError):
            words = "A client left %s; it has had %d items, and those that it had not read are lost"
            log.info(words, group, given)
            raise
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response


async def _send_item(request: web.Request, data: bytes, response: web.StreamResponse) -> None:
    """Write an item, and wait until the kernel has all of it.

    Raises:
        ConnectionError: the client is gone.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    _let_kernel_pace(request)
    for start in range(0, len(data), PIECE):
        await response.write(data[start : start + PIECE])
        await request.writer.drain()
    if request.transport is None or transport.is_closing():
        raise ConnectionResetError


def wanted_place(request: web.Request) -> tuple[int | None, bool]:
    """Where a request wants to read, and whether as a tap.

    Raises:
        ApiError: the position is not a number, or the tap neither true nor false.
    """
    wanted = request.query.get("tap", "false").lower()
    if wanted not in ("true", "false"):
        raise ApiError(400, "tap must be true or false")
    return wanted_position(request), wanted == "true"


def wanted_position(request: web.Request) -> int | None:
    """The position that a request gives.

    Raises:
        ApiError: it is not a number.
    """
    wanted = request.headers.get(POSITION)
    if wanted is None:
        return None
    if not (wanted.isascii() and wanted.isdigit()):
        raise ApiError(400, f"{POSITION} must be a number of bytes")
    return int(wanted)


def stream_answer(request: web.Request, content_type: str | None = None) -> web.StreamResponse:
    """An answer that is a stream of bytes, of a content type that a Sequence has declared."""
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: content_type or BINARY, **PASSED_ON})
    if content_type is not None:
        # A browser that opens it must neither guess another type nor run a Sequence's script as this Hub's own.
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "sandbox"
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    elif request.method != hdrs.METH_HEAD:
        response.headers[END] = UNMARKED
    return response


async def send_all(request: web.Request, reader: Reader, response: web.StreamResponse, *, is_tap: bool = False) -> bool:
    """Write all that a reader gives into an answer that has begun.

    The connection of a tap that is too slow ends where bytes were missed, without the end of the answer: so its client
    learns of the gap, and False tells it here.
    """
    transport = request.transport
    _let_kernel_pace(request)
    while data := await reader.read():
        if is_tap and reader.missed:
            request.protocol.force_close()
            return False
        if len(data) < LARGE or not response.chunked or transport is None:
            await response.write(data)
            await request.writer.drain()
            continue
        # response.write() would join head, data and end of the chunk, and so copy all of it once more. Not with
        # writelines(): asyncio's takes any amount without pushing back up to Python 3.12.8 and 3.13.1.
        for part in (b"%x\r\n" % len(data), data, b"\r\n"):
            transport.write(part)
            request.writer.output_size += len(part)
        await request.writer.drain()
    return True


def _let_kernel_pace(request: web.Request) -> None:
    """What counts as read is with the kernel; under TLS up to 64 KiB may still be in the buffer below it."""
    if request.transport is not None:
        # TLS transports pause at `high`, not above it: with 0 an empty buffer pauses, and nothing ever resumes.
        request.transport.set_write_buffer_limits(high=1 if request.secure else 0)
