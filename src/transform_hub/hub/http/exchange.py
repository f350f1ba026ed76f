"""What the routes share: reading JSON bodies, answering with JSON, carrying streams both ways."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import msgspec
from aiohttp import HttpVersion11, hdrs, web

from transform_hub.hub.access.auth import Scope
from transform_hub.hub.channels.channel import ChannelClosedError, ChannelReader
from transform_hub.hub.errors import ApiError
from transform_hub.hub.reattach.ring import SpooledChannel

if TYPE_CHECKING:
    from transform_hub.hub.link.runner_input import SinkWriter
    from transform_hub.hub.server import Hub
    from transform_hub.hub.topics.bus import TopicWriter

HUB: web.AppKey[Hub] = web.AppKey("hub")

T = TypeVar("T")

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[web.StreamResponse]])

JSON = ("application/json", "text/json")
STREAM = "application/octet-stream"

JSON_TIMEOUT = 60.0
"""Seconds that the JSON body of a request may take."""

POSITION = "X-Stream-Position"
"""Header of a stream that outlives the Hub: the position of its first byte; of a request for one: where to go on.

Of input and stdin: where the stream is; of a request that writes it: where it has to be.
"""

LARGE = 32 * 1024
"""Bytes from which on a chunk is worth three writes instead of one copy."""


_scopes: dict[Callable[..., Any], Scope | None] = {}


class Routes(web.RouteTableDef):
    """Routes that say which scope they ask for, and in JSON, as all of the API does, what they can't do."""

    def route(  # type: ignore[override] # a route without a scope is to fail at once
        self, method: str, path: str, *, scope: Scope | None, **options: Any
    ) -> Callable[[Handler], Handler]:
        """Decorate the handler of a route.

        Args:
            method: of the requests.
            path: of the route.
            scope: what a token must be good for: ``Scope.READ`` where nothing is changed and nothing taken from others,
                None where nobody is asked for one.
            options: of aiohttp.
        """
        decorate = super().route(method, path, **{"expect_handler": expect_at_once, **options})

        def scoped(handler: Handler) -> Handler:
            if _scopes.setdefault(handler, scope) is not scope:
                raise ValueError(f"{handler.__name__} has routes of different scopes")
            return cast("Callable[[Handler], Handler]", decorate)(handler)

        return scoped


def scope_of(handler: Callable[..., Any]) -> Scope | None:
    """What the route of a handler asks for; that there is no such route may be told to everyone with a token."""
    return _scopes.get(handler, Scope.READ)


def json_response(value: Any, status: int = 200) -> web.Response:
    """An answer with a JSON body."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def error_response(error: ApiError) -> web.Response:
    """The answer that an error amounts to."""
    body = msgspec.json.encode({"error": error.error})
    return web.Response(
        body=body, status=error.status, reason=error.reason, headers=error.headers, content_type="application/json"
    )


async def json_body(request: web.Request) -> Any:
    """The JSON value of a request's body; ``{}`` without a body.

    Raises:
        ApiError: the body is not JSON, or the content type says that it is not.
    """
    if (request.content_length or 0) > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size, request.content_length or 0)
    try:
        data = await asyncio.wait_for(request.read(), JSON_TIMEOUT)
    except asyncio.TimeoutError:
        raise ApiError(408, f"The body of the request was not there within {JSON_TIMEOUT:.0f} s") from None
    if not data.strip():
        return {}
    reason = "Could not parse content"
    charset = (request.charset or "utf-8").lower()
    if hdrs.CONTENT_ENCODING in request.headers:
        raise ApiError(400, f"{reason}: JSON is to be sent without content encoding", reason=reason)
    if request.content_type not in JSON or charset != "utf-8":
        raise ApiError(400, f"{reason}: the content type must be application/json", reason=reason)
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, f"{reason}: {error}", reason=reason) from None
    except RecursionError:
        raise ApiError(400, f"{reason}: it is nested too deep", reason=reason) from None


async def body_as(request: web.Request, model: type[T]) -> T:
    """The body as a model; fields that are null count as absent.

    Raises:
        ApiError: it is not JSON, not an object, or a field has the wrong type.
    """
    value = await json_body(request)
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int):
        value = value[1]  # as a control message, [code, {...}]: older clients of STH send orders so
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object")
    try:
        return msgspec.convert({key: field for key, field in value.items() if field is not None}, model)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        field = where.strip("`").removeprefix("$.")
        raise ApiError(400, f"Invalid {field} format: {message}" if field else message) from None


def require_acceptable(request: web.Request, *types: str) -> None:
    """Check the Accept header, if there is one.

    Raises:
        ApiError: none of ``types`` is accepted.
    """
    accept = request.headers.get(hdrs.ACCEPT)
    if not accept:
        return
    for offer in accept.split(","):
        wanted = offer.partition(";")[0].strip().lower()
        if any(wanted in ("*/*", kind, kind.partition("/")[0] + "/*") for kind in types):
            return
    raise ApiError(415, f"This route answers with {types[0]}", reason="Invalid content-type")


class Readable(Protocol):
    """What can be answered with: a Channel, a Topic."""

    def reader(self) -> ChannelReader:
        """A new reader."""


async def stream_response(request: web.Request, source: Readable) -> web.StreamResponse:
    """Answer with what a reader gives, until its end or the client's."""
    require_acceptable(request, STREAM)
    response = stream_answer(request)
    if request.method == hdrs.METH_HEAD:  # a look must not take data from anybody
        await response.prepare(request)
        return response
    with _reader(request, source) as reader:
        if isinstance(source, SpooledChannel):
            response.headers[POSITION] = str(reader.position)
        await response.prepare(request)
        await send_all(request, reader, response)
    with contextlib.suppress(ConnectionError):
        await response.write_eof()
    return response


def _reader(request: web.Request, source: Readable) -> ChannelReader:
    """A reader, at the position that the request asks for if the source knows positions.

    Raises:
        ApiError: that is no position.
    """
    if not isinstance(source, SpooledChannel):
        return source.reader()
    return source.reader(wanted_position(request))


def wanted_position(request: web.Request) -> int | None:
    """The position that a request gives.

    Raises:
        ApiError: that is no position.
    """
    wanted = request.headers.get(POSITION)
    if wanted is None:
        return None
    if not (wanted.isascii() and wanted.isdigit()):
        raise ApiError(400, f"{POSITION} must be a number of bytes")
    return int(wanted)


def stream_answer(request: web.Request) -> web.StreamResponse:
    """An answer that is a stream of bytes."""
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: STREAM})
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    return response


async def send_all(request: web.Request, reader: ChannelReader, response: web.StreamResponse) -> None:
    """Write all that a reader gives into an answer that has begun."""
    outlives = isinstance(reader.channel, SpooledChannel)
    if outlives and request.transport is not None:
        # What counts as read is with the kernel; under TLS up to 64 KiB may still be in the buffer below it.
        # TLS transports pause at `high`, not above it: with 0 an empty buffer pauses, and nothing ever resumes.
        request.transport.set_write_buffer_limits(high=1 if request.secure else 0)
    async for data in reader:
        if len(data) < LARGE or not response.chunked or request.transport is None:
            await response.write(data)
            if outlives:
                await request.writer.drain()
            continue
        # response.write() would join head, data and end of the chunk, and so copy all of it once more. Not with
        # writelines(): asyncio's takes any amount without pushing back up to Python 3.12.8 and 3.13.1.
        for part in (b"%x\r\n" % len(data), data, b"\r\n"):
            request.transport.write(part)
            request.writer.output_size += len(part)
        await request.writer.drain()


async def received(request: web.Request) -> AsyncIterator[bytes]:
    """The chunks of a request's body; a client that waits to be asked for it is asked."""
    await ask_for_body(request)
    async for chunk in chunks(request):
        yield chunk


async def chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The chunks of a request's body as they come; ``iter_any()`` would join, and so copy, them."""
    async for chunk, _ in request.content.iter_chunks():
        if chunk:
            yield chunk
        elif request.content.at_eof():  # aiohttp's iterator over an empty body never ends from its second use on
            return


async def ask_for_body(request: web.Request) -> None:
    """Send ``100 Continue`` to a client that waits for it."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


async def expect_at_once(request: web.Request) -> None:
    """Expect handler of routes that take any body."""
    if request.headers.get(hdrs.EXPECT, "").lower() != "100-continue":
        error = msgspec.json.encode({"error": "The only expectation that can be met is 100-continue"})
        raise web.HTTPExpectationFailed(text=error.decode(), content_type="application/json")
    await ask_for_body(request)


async def expect_later(request: web.Request) -> None:
    """Expect handler of routes that look before they ask for the body (see :func:`received`)."""


def ends_stream(request: web.Request) -> bool:
    """Whether the target of an upload ends with it: ``x-end-stream``, true by default."""
    return request.headers.get("x-end-stream", "true").strip().lower() not in ("false", "success")


async def forward_body(request: web.Request, writer: SinkWriter) -> web.StreamResponse:
    """Carry a request's body to a runner; the answer's head goes out at once, its end when all is forwarded.

    A client that breaks off does not end the target: only a complete body does.
    """
    end = ends_stream(request)
    response = web.StreamResponse(status=200 if end else 202, headers={POSITION: str(writer.position)})
    await ask_for_body(request)
    await response.prepare(request)
    try:
        async for chunk in chunks(request):
            await writer.write(chunk)
        if end:
            writer.end()
    except ChannelClosedError:
        # The head has said 200 or 202 already: breaking off is the way left to say that it was not all taken.
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


async def forward_to_topic(request: web.Request, writer: TopicWriter) -> None:
    """Carry a request's body to a topic.

    Raises:
        ApiError: the topic was deleted meanwhile.
    """
    try:
        async for chunk in received(request):
            await writer.write(chunk)
        await writer.close()
    except ChannelClosedError:
        raise ApiError(404, "The topic was deleted") from None
    finally:
        writer.leave()
