"""The HTTP proxy that the environment names for a URL: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import hdrs
from yarl import URL

from transform_hub.client.address import basic
from transform_hub.models.rules import is_loopback


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        url: without credentials.
        headers: its credentials, if it has any.
    """

    url: URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def proxy_for(url: URL) -> Proxy | None:
    """The proxy for a URL, None for this machine itself.

    Raises:
        ValueError: the proxy is not an HTTP proxy.
    """
    host = url.host or ""
    if is_loopback(host) or urllib.request.proxy_bypass(f"{host}:{url.port}"):
        return None
    proxies = urllib.request.getproxies()
    text = proxies.get(url.scheme) or proxies.get("all")
    return _parsed(text) if text else None


def _parsed(text: str) -> Proxy:
    try:
        url = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        shown = text.rpartition("@")[2]
        raise ValueError(
            f"The proxy in the environment, {shown!r}, is not an HTTP proxy: "
            "add the Hub's host to NO_PROXY, or create the client with trust_env=False"
        )
    return Proxy(url.origin(), {hdrs.PROXY_AUTHORIZATION: credentials} if (credentials := basic(url)) else {})
