"""Which web pages may use the API.

A browser sends requests to the Hub for any page it shows: it names the page in ``Origin``, and lets the page read
the answer if the Hub allows that (CORS). With a token a page can do nothing that its user did not give the token to;
without one, every page in the browser of somebody who runs a Hub could run programs through it. Hence:

    Hub         request                                                answer
    any         without Origin (no page, or one of the Hub itself)     as usual
    any         Origin is one of --cors-origin                         as usual, and the page may read it
    with token  another Origin                                         as usual, but the page may not read it
    no token    Origin on this machine (http://localhost:3000)         as usual, and the page may read it
    no token    another Origin                                         403
    no token    Host is a name with a dot, not this machine's          403

The last row is for pages whose name leads to 127.0.0.1 ("DNS rebinding"): to the browser they are of the Hub itself,
and the Host header alone shows them. An address, or a name without a dot, nobody else can make lead here.
``--cors-origin '*'`` allows all pages, as STH does; ``--insecure`` does not ask for names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import hdrs

from transform_hub.hub.errors import ApiError

if TYPE_CHECKING:
    from transform_hub.hub.config import HubConfig


def require_page(config: HubConfig, headers: Mapping[str, str]) -> None:
    """Refuse what a page asks for that may not use this Hub.

    Raises:
        ApiError: it may not.
    """
    if config.asks_for_token or "*" in config.cors_origins:
        return
    origin = headers.get(hdrs.ORIGIN)
    if origin is not None and not _is_allowed(config, origin):
        raise ApiError(403, f"Pages of {origin[:200]} may not use this Hub: it would take --cors-origin, or a token")
    if config.insecure:
        return
    host = _host_of(f"//{headers.get(hdrs.HOST, 'localhost')}")
    known = {config.host.lower(), *map(_host_of, config.cors_origins)}
    if "." in host and not (is_loopback(host) or _is_address(host) or host in known):
        raise ApiError(
            403, f"This Hub has no token and is not known as {host[:200]!r}: call it localhost, or see --cors-origin"
        )


def cors_headers(config: HubConfig, headers: Mapping[str, str]) -> dict[str, str]:
    """What an answer says about who may read it."""
    if "*" in config.cors_origins or not (config.asks_for_token or config.cors_origins):
        return {"Access-Control-Allow-Origin": "*"}
    origin = headers.get(hdrs.ORIGIN)
    if origin is not None and _is_allowed(config, origin):
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
    return {"Vary": "Origin"}


def _is_allowed(config: HubConfig, origin: str) -> bool:
    return origin in config.cors_origins or (not config.asks_for_token and is_loopback(_host_of(origin)))


def is_loopback(host: str) -> bool:
    """Whether a name or address can mean this machine alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
