"""Bodies of requests over HTTP: into a runner or a topic, as they come.

The head of an answer to ``Expect: 100-continue`` keeps away from the ``100 Continue``: HAProxy 2.6 passes on only the
second if both come in one segment, and the client waits for ever. A body that begins shows that the first has arrived.

Clients may ask with ``X-Answer-At: end`` for no head before the end of an upload: once nginx has one, it no longer
looks whether the Hub takes more of the body, and what the Hub could not take at once stays there for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from transform_hub.hub.channels.channel import Channel, ChannelClosedError
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.content_encoding import chained, decoded, encoding_of
from transform_hub.hub.http.route import ask_for_body
from transform_hub.hub.http.streaming import PASSED_ON, send_all, stream_answer
from transform_hub.hub.link.runner_input import SinkWriter
from transform_hub.hub.topics.bus import TopicWriter
from transform_hub.models.rules import ANSWER_AT, POSITION

APART = 0.1
"""Seconds that the head of an answer to ``inout`` waits after ``100 Continue`` for the body to begin."""

Note = Callable[[str, str], object]
"""Writes an entry into an Instance's log: its level and text."""


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
