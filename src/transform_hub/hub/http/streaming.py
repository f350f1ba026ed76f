"""Streams over HTTP: a Channel into an answer, a request's body into a runner or a topic.

The head of an answer to ``Expect: 100-continue`` keeps away from the ``100 Continue``: HAProxy 2.6 passes on only the
second if both come in one segment, and the client waits for ever. A body that begins shows that the first has arrived.

Clients may ask with ``X-Answer-At: end`` for no head before the end of an upload: once nginx has one, it no longer
looks whether the Hub takes more of the body, and what the Hub could not take at once stays there for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from aiohttp import HttpVersion11, hdrs, web

from transform_hub.hub.channels.channel import Channel, ChannelClosedError
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.content_encoding import chained, decoded, encoding_of
from transform_hub.hub.http.route import ask_for_body, require_acceptable
from transform_hub.hub.link.runner_input import SinkWriter
from transform_hub.hub.topics.bus import TopicMember, TopicWriter
from transform_hub.models.rules import ANSWER_AT, BINARY, END, POSITION, UNMARKED, media_type

log = logging.getLogger(__name__)

PIECE = 256 * 1024
"""Bytes of an item that are written at once."""

LARGE = 32 * 1024
"""Bytes from which on a chunk is worth three writes instead of one copy."""

APART = 0.1
"""Seconds that the head of an answer to ``inout`` waits after ``100 Continue`` for the body to begin."""

PASSED_ON = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
"""Headers of streams: proxies pass each byte on at once, as it is."""

Note = Callable[[str, str], object]
"""Writes an entry into an Instance's log: its level and text."""


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


async def received(request: web.Request) -> AsyncIterator[bytes]:
    """The chunks of a request's body; a client that waits to be asked for it is asked.

    Raises:
        ApiError: the body can't be decoded.
    """
    await ask_for_body(request)
    async for chunk in chunks(request):
        yield chunk


def chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The chunks of a request's body, decoded.

    Raises:
        ApiError: the body can't be decoded.
    """
    encoding = encoding_of(request.headers)
    sent = sent_chunks(request)
    return sent if encoding is None else decoded(sent, encoding)


async def sent_chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The chunks of a request's body as they come; ``iter_any()`` would join, and so copy, them."""
    async for chunk, _ in request.content.iter_chunks():
        if chunk:
            yield chunk
        elif request.content.at_eof():  # aiohttp's iterator over an empty body never ends from its second use on
            return


def ends_stream(request: web.Request) -> bool:
    """Whether the target of an upload ends with it: ``x-end-stream``, true by default."""
    return request.headers.get("x-end-stream", "true").strip().lower() not in ("false", "success")


def answers_at_end(request: web.Request) -> bool:
    """Whether the client wants no head of an answer before it has sent its body: ``X-Answer-At``."""
    return request.headers.get(ANSWER_AT, "").strip().lower() == "end"


async def forward_body(request: web.Request, writer: SinkWriter, note: Note) -> web.StreamResponse:
    """Carry a request's body to a runner; the answer's head goes out first, its end when all is forwarded.

    A client that breaks off does not end the target: only a complete body does.

    Args:
        request: whose body it is.
        writer: of the target.
        note: is told of a body that can't be decoded.

    Raises:
        ApiError: the body can't be decoded, not even its first piece.
    """
    end = ends_stream(request)
    response = web.StreamResponse(status=200 if end else 202, headers=PASSED_ON)
    body = _noted(chunks(request), note)
    with writer:
        was_asked = await ask_for_body(request)
        # A body that is not gzip at all is refused in words, before the head goes out.
        first = await anext(body, b"") if encoding_of(request.headers) else b""
        try:
            await writer.begin()
            response.headers[POSITION] = str(writer.position)
            if not answers_at_end(request):
                if was_asked and not first:
                    first = await anext(body, b"")
                await response.prepare(request)
            await _carry(chained(first, body), writer, end=end)
        except (ChannelClosedError, ApiError):
            _break_off(request)
            return response
    await response.prepare(request)
    await response.write_eof()
    return response


async def _noted(body: AsyncIterator[bytes], note: Note) -> AsyncIterator[bytes]:
    try:
        async for chunk in body:
            yield chunk
    except ApiError as error:  # the client may not learn the reason
        note("WARN", f"What a client has sent is cut off: {error}")
        raise


async def forward_to_topic(request: web.Request, writer: TopicWriter) -> None:
    """Carry a request's body to a topic.

    Raises:
        ApiError: the topic was deleted meanwhile.
    """
    try:
        async with writer:
            async for chunk in received(request):
                await writer.write(chunk)
            await writer.end()
    except ChannelClosedError:
        raise ApiError(404, "The topic was deleted") from None


async def converse(
    request: web.Request, writer: SinkWriter, output: Channel, content_type: str | None, note: Note, *, end: bool
) -> web.StreamResponse:
    """Carry a request's body to the input of a runner and its output back, both at once.

    Args:
        request: whose body is the input.
        writer: of the input.
        output: is answered with.
        content_type: of the output, if it is declared.
        note: is told of a body that can't be decoded.
        end: whether the input ends with the body.

    Raises:
        ApiError: the body has an encoding that is not supported.
    """
    has_begun = asyncio.Event()
    body = _announced(_noted(chunks(request), note), has_begun)
    response = stream_answer(request, content_type)
    was_asked = await ask_for_body(request)
    with output.reader() as reader:
        response.headers[POSITION] = str(reader.position)
        upload = asyncio.ensure_future(_upload(request, body, writer, end=end))
        try:
            if was_asked:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(has_begun.wait(), APART)
            await response.prepare(request)
            await send_all(request, reader, response)
        finally:
            if not request.content.is_eof():  # one that has arrived whole is the Instance's, whatever its client does
                upload.cancel()
            await asyncio.wait({upload})
    await response.write_eof()
    return response


async def _announced(body: AsyncIterator[bytes], has_begun: asyncio.Event) -> AsyncIterator[bytes]:
    try:
        async for chunk in body:
            has_begun.set()
            yield chunk
    finally:
        has_begun.set()


async def _upload(request: web.Request, body: AsyncIterator[bytes], writer: SinkWriter, *, end: bool) -> None:
    try:
        with writer:
            await writer.begin()
            await _carry(body, writer, end=end)
    except ChannelClosedError:
        return  # the Instance has ended; its output says so to the client
    except ApiError:
        _break_off(request)


async def _carry(body: AsyncIterator[bytes], writer: SinkWriter, *, end: bool) -> None:
    async for chunk in body:
        await writer.write(chunk)
    await writer.finish()
    if end:
        writer.end()


def _break_off(request: web.Request) -> None:
    """The head of the answer is out: only breaking off can still say that not all was taken."""
    if request.transport is not None:
        request.transport.abort()
