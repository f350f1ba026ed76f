"""Which web pages may use the API.

A browser sends requests to the Hub for any page it shows: it names the page in ``Origin``, and lets the page read
the answer if the Hub allows it (CORS). On a Hub with a token, a page can do nothing unless its user gives it the token.
On a Hub without one, every page that its owner visits could run programs through it. Hence:

    Hub         request                                                answer
    any         without Origin (no page, or one of the Hub itself)     as usual
    any         Origin is one of --cors-origin                         as usual, and the page may read it
    with token  another Origin                                         as usual, but the page may not read it
    no token    Origin on this machine (http://localhost:3000)         as usual, and the page may read it
    no token    another Origin                                         403
    no token    Host is a name with a dot, not this machine's          403

The last row stops pages whose name resolves to 127.0.0.1 ("DNS rebinding"): the browser takes them for pages of the
Hub itself, and only the Host header gives them away. Nobody else can make an address, or a name without a dot, lead
here. ``--cors-origin '*'`` allows all pages, as STH does; ``--insecure`` allows all names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from aiohttp import hdrs

from transform_hub.hub.errors import ApiError
from transform_hub.models.rules import is_loopback


class CorsPolicy(NamedTuple):
    """Which pages a Hub serves.

    Attributes:
        origins: of the pages that may use it, e.g. ``https://hub.example``.
        host: the address it was told to listen on, a name it is known by.
        asks_for_token: whether requests need a token.
        any_host: whether it answers to any name.
    """

    origins: tuple[str, ...]
    host: str
    asks_for_token: bool
    any_host: bool

    def require_page(self, headers: Mapping[str, str]) -> None:
        """Refuse a request of a page that may not use this Hub.

        Raises:
            ApiError: it may not.
        """
        if self.asks_for_token or "*" in self.origins:
            return
        origin = headers.get(hdrs.ORIGIN)
        if origin is not None and not self._allows(origin):
            raise ApiError(
                403, f"Pages of {origin[:200]} may not use this Hub: allow it with --cors-origin, or set a token"
            )
        if self.any_host:
            return
        host = _host_of(f"//{headers.get(hdrs.HOST, 'localhost')}")
        known = {self.host.lower(), *map(_host_of, self.origins)}
        if "." in host and not (is_loopback(host) or _is_address(host) or host in known):
            raise ApiError(
                403,
                f"This Hub has no token and is not known as {host[:200]!r}: "
                "call it localhost, or allow the name with --cors-origin",
            )

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers that tell a browser whether the page may read the answer."""
        if "*" in self.origins or not (self.asks_for_token or self.origins):
            return {"Access-Control-Allow-Origin": "*"}
        origin = headers.get(hdrs.ORIGIN)
        if origin is not None and self._allows(origin):
            return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        return {"Vary": "Origin"}

    def _allows(self, origin: str) -> bool:
        return origin in self.origins or (not self.asks_for_token and is_loopback(_host_of(origin)))


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
