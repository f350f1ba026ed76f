"""JSON bodies, JSON answers, and the answer that an error becomes."""

from __future__ import annotations

import asyncio
import codecs
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.content_encoding import decoded_whole, encoding_of
from transform_hub.models.rules import JSON_TYPES
from transform_hub.protocol import require_bounded

T = TypeVar("T", bound=msgspec.Struct)

JSON_TIMEOUT = 60.0
"""Seconds that the JSON body of a request may take."""


def json_response(value: Any, status: int = 200) -> web.Response:
    """An answer with a JSON body."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type=JSON_TYPES[0])


def error_response(error: ApiError) -> web.Response:
    """The answer that an error becomes: ``{"error": ...}``."""
    told = error.error
    if isinstance(told, str):  # it may quote a header, which may hold any bytes
        told = told.encode("utf-8", "replace").decode()
    body = msgspec.json.encode({"error": told})
    return web.Response(
        body=body, status=error.status, reason=error.reason, headers=error.headers, content_type=JSON_TYPES[0]
    )


async def json_body(request: web.Request) -> Any:
    """The JSON value of a request's body; ``{}`` without a body.

    Raises:
        ApiError: the body is not JSON, is late, or its content type or encoding is another.
    """
    encoding = encoding_of(request.headers)
    if (request.content_length or 0) > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size, request.content_length or 0)
    try:
        data = await asyncio.wait_for(request.read(), JSON_TIMEOUT)
    except asyncio.TimeoutError:
        raise ApiError(408, f"The body of the request did not arrive within {JSON_TIMEOUT:.0f} s") from None
    if encoding is not None:
        whole = await asyncio.to_thread(decoded_whole, data, encoding, request.client_max_size)
        if whole is None:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size, request.client_max_size + 1)
        data = whole
    data = data.removeprefix(codecs.BOM_UTF8)  # of files that editors of Windows have written
    if not data.strip():
        return {}
    reason = "Could not parse content"
    charset = (request.charset or "utf-8").lower()
    if request.content_type not in JSON_TYPES or charset != "utf-8":
        raise ApiError(400, f"{reason}: the content type must be {' or '.join(JSON_TYPES)}, in UTF-8", reason=reason)
    try:
        require_bounded(data, request.client_max_size)
    except ValueError as error:
        raise ApiError(413, f"The body is too large: {error}") from None
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, f"{reason}: {error}", reason=reason) from None
    except RecursionError:
        raise ApiError(400, f"{reason}: it is nested too deeply", reason=reason) from None


async def body_as(
    request: web.Request, model: type[T], *, lenient: bool = False, unknown: list[str] | None = None
) -> T:
    """The body as a model; fields that are null count as absent, and a body that is null as well.

    Args:
        request: has the body.
        model: of it.
        lenient: whether a body that is no object counts as an empty one.
        unknown: gets the names of fields that the model does not have, which are ignored.

    Raises:
        ApiError: it is not JSON, not an object, or a field has the wrong type.
    """
    value = await json_body(request)
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int):
        value = value[1]  # older clients of STH send [code, {...}], as in a control message
    if not isinstance(value, dict):
        if value is not None and not lenient:
            raise ApiError(400, "The body must be a JSON object")
        value = {}
    if unknown is not None:
        unknown += value.keys() - {field.encode_name for field in msgspec.structs.fields(model)}
    try:
        return msgspec.convert({key: field for key, field in value.items() if field is not None}, model)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        field = where.strip("`").removeprefix("$.")
        raise ApiError(400, f"Invalid {field} format: {message}" if field else message) from None


async def command_body(request: web.Request) -> dict[str, Any]:
    """The object in the body of a control message, ``[code, {...}]``.

    Raises:
        ApiError: the body is something else.
    """
    body = await json_body(request)
    if not isinstance(body, list) or len(body) < 2 or not isinstance(body[1], dict):
        raise ApiError(400, "Invalid format: the body must be [code, {...}]")
    return body[1]
