"""A Hub's answer becomes a value, or one of the errors in :mod:`transform_hub.errors`."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any, TypeVar

import aiohttp
import msgspec

from transform_hub.client.address import API_BASE
from transform_hub.client.failures import FAILURES
from transform_hub.errors import HubResponseError, error_class

T = TypeVar("T")

MAX_ERROR = 64 * 1024
"""Bytes of an error's body to read."""

ERROR_PATIENCE = 5.0
"""Seconds to wait for an error's body after its status."""

_THROWN = re.compile(r"([45]\d\d): ")
"""The start of an error that STH answers with 500 in the routes of an Instance."""


def decode(data: bytes, answer: type[T], *, status: int, server: str, request: dict[str, str]) -> T:
    """The value of an answer's JSON.

    Args:
        data: body of the answer; STH sends none for ``{}`` or ``null``.
        answer: the type to decode to.
        status: of the answer.
        server: what the URL should lead to: Hub, Manager, ...
        request: method, url and request_id, for the error.

    Raises:
        HubResponseError: it is not JSON, or has another shape.
    """
    try:
        if data.strip():
            return msgspec.json.decode(data, type=answer)
        return _empty(answer)
    except (msgspec.DecodeError, RecursionError) as error:
        reason = "it is a web page" if data.lstrip().startswith(b"<") else error
        raise HubResponseError(
            f"This is not the answer of a {server}: {reason}",
            status=status,
            body=_value(data),
            hint=f"check that the URL is that of a {server}, and that it is not too old",
            **request,
        ) from None


def _empty(answer: type[T]) -> T:
    if answer is Any:
        return None  # type: ignore[return-value]
    empty: Any
    for empty in ({}, []):
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(empty, answer)
    raise msgspec.DecodeError("it is empty")


async def refusal(
    response: aiohttp.ClientResponse, *, base: str, server: str, authorized: bool, request: dict[str, str]
) -> HubResponseError:
    """The error for an error status; the answer is read and closed.

    Args:
        response: status and the beginning of the body.
        base: URL of the API, for hints.
        server: what the URL should lead to: Hub, Manager, ...
        authorized: whether the request had credentials.
        request: method, url and request_id.
    """
    data = await _beginning(response)
    value, status = _value(data), response.status
    if status == 500 and isinstance(value, str) and (match := _THROWN.match(value)):
        status, value = int(match[1]), value[match.end() :]
    message = _message(value) or response.reason or f"The {server} gave no reason"
    if 300 <= status < 400:
        message = f"Redirected to {response.headers.get('Location', 'nowhere')}"
    hint = _hint(status, value, request["method"], base=base, server=server, authorized=authorized)
    return error_class(status)(message, status=status, body=value, hint=hint, **request)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()

    async def read() -> None:
        while len(data) < MAX_ERROR and (chunk := await response.content.readany()):
            data.extend(chunk)

    try:
        # The status alone says most of it.
        with contextlib.suppress(*FAILURES):
            await asyncio.wait_for(read(), ERROR_PATIENCE)
    finally:
        if not response.content.at_eof():
            response.close()
    return bytes(data)


def _value(data: bytes) -> Any:
    """A body's JSON, or else its text; None if it is empty."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return data.decode("utf-8", "replace").strip()[:MAX_ERROR] or None


def _message(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("error", value)
    elif isinstance(value, str) and value.startswith("<"):  # the reason phrase tells more than a proxy's page
        return ""
    if isinstance(value, dict):  # a defective package: in words, or whatever Node.js has caught
        value = next((value[key] for key in ("message", "data", "code") if value.get(key)), "")
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if value else ""


def _hint(status: int, value: Any, method: str, *, base: str, server: str, authorized: bool) -> str:
    """The obvious next step, if there is one."""
    if status == 401:
        known = f"the token was refused: it may have expired, or belong to another {server}"
        return known if authorized else "pass a token to the client: token=..."
    if status == 404:
        return _where_to_look(value, base=base, server=server)
    if 300 <= status < 400:
        return "use that URL for the client"
    hint = _HINTS.get((status, method), "")
    if not hint and _message(value) in ("", "Insufficient Space on Resource"):  # else the message tells more
        hint = _HINTS.get(status, "")
    return hint.format(server=server)


_HINTS = {
    403: "the token may be read-only, or a proxy before the {server} refuses it",
    (409, "DELETE"): "end its Instances first, or delete it with force=True",
    (409, "PUT"): "end its Instances first; ended ones count until the {server} forgets them",
    413: "the {server}, or a proxy before it, has a limit below this size",
    419: "its machine has too little memory, disk or CPU free: get_load_check() has the figures",
}


def _where_to_look(value: Any, *, base: str, server: str) -> str:
    # A Hub that knows the route says in JSON what is missing; STH answers unknown routes with an empty body.
    if isinstance(value, dict) and not _message(value).startswith("There is no "):
        return ""
    if not base.endswith(API_BASE):
        return f"the URL of a {server} ends in {API_BASE}: check {base}"
    return f"check that {base} is the API of a {server}, and new enough for this call"
