"""Which web pages may use the API.

A browser sends requests to the Hub for any page it shows. It names the page in ``Origin`` where the page wants to
read the answer or sends something, and lets it read if the Hub allows that (CORS); with images, scripts, frames and
links it says only in ``Sec-Fetch-*`` that a page of another site is behind them. On a Hub with a token, a page can do
nothing unless its user gives it the token. On a Hub without one, every page that its owner visits could run programs
through it. Hence, the first row that fits counts:

    Hub         request                                                  answer
    with token  any                                                      as usual; a page of --cors-origin may read it
    no token    Host is a name, and not one of this machine              403
    no token    Origin is one of --cors-origin, or on this machine       as usual, and the page may read it
    no token    another Origin                                           403
    no token    Sec-Fetch-Site: same-origin                              as usual
    no token    Sec-Fetch-Site: same-site, Referer as Origin above       as usual
    no token    Sec-Fetch-Mode: navigate, of a whole tab, only to look   as usual
    no token    any other Sec-Fetch-Site                                 403
    no token    of a browser that sends none of these, only to look      as usual
    no token    the same, Referer as Origin above                        as usual
    no token    the same, to change or to take something                 403
    no token    of a program                                             as usual

Host stops pages whose name resolves to 127.0.0.1 ("DNS rebinding"): the browser takes them for pages of the Hub
itself, and only the name gives them away. Nobody else can make an address lead here. A link, or an address that the
user types, may be shown, as the page behind it can't read it. But it takes no data: a site that the user opens can
redirect the tab to the Hub, and the browser then says that it was the user (``Sec-Fetch-Site: none``).

Browsers send ``Sec-Fetch-*`` only to https and to this machine; to others they are known by their ``User-Agent``.
``--cors-origin '*'`` allows all pages, as STH does; ``--insecure`` allows all names.
"""

from __future__ import annotations

import ipaddress
import socket
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

    def require_page(self, headers: Mapping[str, str], *, takes: bool) -> None:
        """Refuse a request of a page that may not use this Hub.

        Args:
            headers: of the request.
            takes: whether it changes something, or takes data from others.

        Raises:
            ApiError: it may not.
        """
        if self.asks_for_token or "*" in self.origins:
            return
        self._require_name(headers.get(hdrs.HOST, ""))
        origin = headers.get(hdrs.ORIGIN)
        if origin is None:
            if not self._may_without_origin(headers, takes=takes):
                raise ApiError(
                    403,
                    "A page of another site may be behind this: use si or curl, "
                    "or allow the page with --cors-origin, or set a token",
                )
        elif not self._allows(origin):
            raise ApiError(
                403, f"Pages of {origin[:200]} may not use this Hub: allow it with --cors-origin, or set a token"
            )

    def _require_name(self, given: str) -> None:
        if self.any_host or not given:  # browsers always send one
            return
        host = _host_of(f"//{given}").removesuffix(".")
        if not (is_loopback(host) or _is_address(host) or host in self._names()):
            raise ApiError(
                403,
                f"This Hub has no token and is not known as {given[:200]!r}: "
                "call it localhost, or allow the name with --cors-origin",
            )

    def _names(self) -> set[str]:
        machine = socket.gethostname().lower()
        return {self.host.lower(), machine, machine.partition(".")[0], *map(_host_of, self.origins)}

    def _may_without_origin(self, headers: Mapping[str, str], *, takes: bool) -> bool:
        site = headers.get("Sec-Fetch-Site")
        if site == "same-origin":
            return True
        # Whoever answers for an image of an allowed page can redirect it here, and it keeps its Referer: from another
        # site that tells nothing.
        referer = headers.get(hdrs.REFERER)
        if referer and site in (None, "same-site") and self._allows(_origin_of(referer)):
            return True
        if site is None:
            return not (takes and _is_browser(headers))
        fetched = headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")
        return not takes and fetched == ("navigate", "document")

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


def _is_browser(headers: Mapping[str, str]) -> bool:
    """Whether it is a browser; pages can change neither header's presence. PowerShell has the first one, too."""
    return headers.get(hdrs.USER_AGENT, "").startswith("Mozilla/") and hdrs.ACCEPT_LANGUAGE in headers


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


def _origin_of(url: str) -> str:
    scheme, slashes, rest = url.partition("://")
    return scheme + slashes + rest.partition("/")[0]
