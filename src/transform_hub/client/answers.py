"""What a Hub's answer means: a value, or one of the errors in :mod:`transform_hub.errors`."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
from typing import Any, TypeVar

import aiohttp
import msgspec

from transform_hub.client.address import API_BASE
from transform_hub.errors import (
    HubConnectionError,
    HubResponseError,
    HubTimeoutError,
    OverloadedError,
    RequestError,
    ServerError,
    StreamError,
    error_class,
)

T = TypeVar("T")

MAX_ERROR = 64 * 1024
"""Bytes of an error's body that are read."""

ERROR_PATIENCE = 5.0
"""Seconds that an error's body may take after its status."""

FAILURES = (aiohttp.ClientError, OSError, asyncio.TimeoutError)
"""What aiohttp raises when a request or its answer fails."""

_THROWN = re.compile(r"([45]\d\d): ")
"""What an error's text begins with that STH, within an Instance's routes, answers with 500."""

_INSECURE = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)


def decode(data: bytes, answer: type[T], *, status: int, server: str, request: dict[str, str]) -> T:
    """The value of an answer's JSON.

    Args:
        data: body of the answer; STH leaves it out where the JSON would be ``{}`` or ``null``.
        answer: the type it has to have.
        status: of the answer.
        server: what should answer: Hub, Manager, ...
        request: method, url and request_id, for the error.

    Raises:
        HubResponseError: it is not JSON, or of another shape.
    """
    try:
        if data.strip():
            return msgspec.json.decode(data, type=answer)
        return _empty(answer)
    except msgspec.DecodeError as error:
        raise HubResponseError(
            f"The answer is not what a {server} sends: {error}",
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
    """The error that an error status is; the answer is read and closed.

    Args:
        response: status and the beginning of the body.
        base: URL of the API, for hints.
        server: what should answer: Hub, Manager, ...
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
    hint = _hint(status, value, base=base, server=server, authorized=authorized)
    return error_class(status)(message, status=status, body=value, hint=hint, **request)


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()

    async def read() -> None:
        while len(data) < MAX_ERROR and (chunk := await response.content.readany()):
            data.extend(chunk)

    try:
        # Without the rest of the body the status still says most of it.
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
    except msgspec.DecodeError:
        return data.decode("utf-8", "replace").strip()[:MAX_ERROR] or None


def _message(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("error", value)
    if isinstance(value, dict):  # a defective package, with whatever Node.js had caught
        value = next((value[key] for key in ("data", "message", "code") if value.get(key)), "")
    if isinstance(value, str):
        return "" if value.startswith("<") else value  # a proxy's page tells less than the reason phrase
    return msgspec.json.encode(value).decode() if value else ""


def _hint(status: int, value: Any, *, base: str, server: str, authorized: bool) -> str:
    if status == 401:
        if authorized:
            return f"the token was not accepted: it may have expired, or belong to another {server}"
        return "give the client a token, with token=..."
    # A Hub that knows the route says in JSON what is missing; STH answers unknown routes with an empty body.
    unknown_route = not isinstance(value, dict) or _message(value).startswith("There is no ")
    if status == 404 and unknown_route and not base.endswith(API_BASE):
        return f"the URL of a {server} ends in {API_BASE}: check {base}"
    if status == 404 and unknown_route:
        return f"check that {base} is the API of a {server}, and new enough for this call"
    if 300 <= status < 400:
        return "use that URL for the client"
    return ""


def failure(error: BaseException, *, base: str, server: str, request: dict[str, str]) -> HubConnectionError:
    """The error that a failed request is."""
    if isinstance(error, asyncio.TimeoutError):
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return HubTimeoutError(f"No connection to {base} in time", hint="check the URL", **request)
        return HubTimeoutError(f"The {server} did not answer in time", **request)
    if isinstance(error, aiohttp.ClientConnectorError):
        message, hint = _not_connected(error, base, server)
    elif isinstance(error, aiohttp.ClientHttpProxyError):
        message, hint = f"The proxy does not connect to {base}: {error.status} {error.message}", _PROXY_HINT
    elif isinstance(error, aiohttp.ClientResponseError):
        message, hint = "What answered does not speak HTTP", f"check that the URL is that of a {server}"
    else:
        message, hint = f"The {server} went away during the call: {error or type(error).__name__}", ""
    return HubConnectionError(message, hint=hint, **request)


_PROXY_HINT = "check the proxy in the environment, or name the host in NO_PROXY"


def _not_connected(error: aiohttp.ClientConnectorError, base: str, server: str) -> tuple[str, str]:
    """Message and hint."""
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"No connection to the proxy for {base}: {error.os_error}", _PROXY_HINT
    if error.os_error.errno == errno.ENOENT:  # of a Unix socket
        return f"There is no socket at {base}", f"start the {server}, or check the path"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"The host of {base} is not known", "check the host name in the URL"
    if isinstance(error, _INSECURE):
        return f"No secure connection to {base}: {error}", "check the certificate, or http instead of https"
    # Where a name has several addresses the numbers are only in the text.
    if error.os_error.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(error.os_error):
        start = "start one with `sth`, or " if server == "Hub" else ""
        return f"No {server} answers at {base}", f"{start}check the URL"
    return f"No connection to {base}: {error.os_error}", "check the URL"


def may_pass(error: RequestError) -> bool:
    """Whether the Hub, or a stream that broke off this way, may be there again after a while."""
    return isinstance(error, (StreamError, HubConnectionError, OverloadedError, ServerError))


def may_repeat(error: Exception) -> bool:
    """Whether a call that failed this way can be made again without doing anything twice."""
    if not isinstance(error, RequestError):
        return False
    never_sent = isinstance(error.__cause__, aiohttp.ClientConnectorError)
    hopeless = isinstance(error.__cause__, (aiohttp.ClientConnectorDNSError, *_INSECURE))
    if hopeless or isinstance(error, HubTimeoutError):
        return False
    if error.method not in ("GET", "HEAD"):
        return never_sent
    if isinstance(error, HubResponseError):
        return error.status in (502, 503, 504)
    return isinstance(error, HubConnectionError)
