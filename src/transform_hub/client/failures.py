"""Failed requests: their error, what to do about it, and whether to retry."""

from __future__ import annotations

import asyncio
import errno

import aiohttp
from yarl import URL

from transform_hub.errors import (
    HubConnectionError,
    HubResponseError,
    HubTimeoutError,
    OverloadedError,
    RequestError,
    ServerError,
    StreamError,
)

FAILURES = (aiohttp.ClientError, OSError, asyncio.TimeoutError)
"""What aiohttp raises when a request or its answer fails."""

_INSECURE = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)

_PROXY_HINT = "check the proxy in the environment, or add the host to NO_PROXY"

_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
"""OpenSSL's reasons for an answer that is not TLS."""

_OUT_OF_TIME = {
    9: "check the clock of this machine, and the certificate",
    10: "the server needs a new certificate, or this machine's clock is wrong",
}
"""Hints by OpenSSL's codes: X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""


def failure(error: BaseException, *, base: str, server: str, request: dict[str, str]) -> HubConnectionError:
    """The error for a failed request.

    Args:
        error: what aiohttp raised.
        base: URL of the API.
        server: what the URL should lead to: Hub, Manager, ...
        request: method, url and request_id.
    """
    if isinstance(error, asyncio.TimeoutError):
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return HubTimeoutError(f"No connection to {base} in time", hint="check the URL", **request)
        return HubTimeoutError(f"The {server} did not answer in time", **request)
    if isinstance(error, aiohttp.ClientConnectorError):
        message, hint = _not_connected(error, base, server)
    elif isinstance(error, aiohttp.ClientHttpProxyError):
        message, hint = f"The proxy does not connect to {base}: {error.status} {error.message}", _PROXY_HINT
    elif isinstance(error, aiohttp.ClientResponseError):
        message, hint = "The answer is not HTTP", f"check that the URL is that of a {server}"
    else:
        message = f"The {server} closed the connection during the call: {error or type(error).__name__}"
        hint = _why_gone(error, base)
    return HubConnectionError(message, hint=hint, **request)


def _not_connected(error: aiohttp.ClientConnectorError, base: str, server: str) -> tuple[str, str]:
    """Message and hint."""
    reason, is_socket = error.os_error, base.startswith("http+unix:")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"No connection to the proxy for {base}: {reason}", _PROXY_HINT
    if isinstance(error, _INSECURE):
        return _not_secure(error, base)
    hint = f"start the {server}, or check the path" if is_socket else "check the URL"
    message = f"No connection to {base}: {reason}"
    if not is_socket and error.host != URL(base).raw_host:
        message = f"No connection to {error.host}:{error.port}, where {base} redirects: {reason}"
    elif isinstance(error, aiohttp.ClientConnectorDNSError):
        message, hint = f"The host of {base} is not known", "check the host name in the URL"
    elif reason.errno == errno.ENOENT:
        message = f"There is no socket at {base}"
    # For a name with several addresses the errno is only in the text.
    elif reason.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(reason):
        message = f"No {server} answers at {base}"
        hint = f"start one with `sth`, or {hint}" if server == "Hub" and not is_socket else hint
    return message, hint


def _not_secure(
    error: aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError, base: str
) -> tuple[str, str]:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
        code = getattr(error.certificate_error, "verify_code", 0)
        hint = _OUT_OF_TIME.get(code) or "check the certificate; tls=TLS(ca_file=...) names an authority to trust"
    else:
        reason = getattr(error.os_error, "reason", "") or error.os_error
        hint = "check the certificate, or http instead of https"
    if reason in _NO_TLS:
        reason, hint = "the server there does not use TLS", "write http instead of https"
    return f"No secure connection to {base}: {reason}", hint


def _why_gone(error: BaseException, base: str) -> str:
    """The hint for a server that drops connections: it may use TLS, or want a certificate."""
    if not isinstance(error, aiohttp.ServerDisconnectedError):
        return ""
    wanted = "https" if base.startswith("http:") else "a certificate of the client: tls=TLS(certificate=..., key=...)"
    return f"if this happens always, it may want {wanted}"


def may_pass(error: RequestError) -> bool:
    """Whether the cause may pass: the Hub, or the stream, may be there again after a while."""
    return isinstance(error, (StreamError, HubConnectionError, OverloadedError, ServerError))


def may_repeat(error: Exception) -> bool:
    """Whether the call can be retried without doing anything twice."""
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
