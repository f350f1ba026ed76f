"""The HTTP proxy that the environment names for a URL: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."""

from __future__ import annotations

import ipaddress
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import hdrs
from yarl import URL

from transform_hub.client.address import basic


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        url: without credentials.
        headers: what it wants to see, which is its credentials, if it has any.
    """

    url: URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def proxy_for(url: URL) -> Proxy | None:
    """The proxy for a URL; never one for this machine itself.

    Raises:
        ValueError: it is none that speaks HTTP.
    """
    host = url.host or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(f"{host}:{url.port}"):
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
            f"The proxy in the environment, {shown!r}, is no HTTP proxy: "
            "name the Hub's host in NO_PROXY, or give the client trust_env=False"
        )
    return Proxy(url.origin(), {hdrs.PROXY_AUTHORIZATION: credentials} if (credentials := basic(url)) else {})


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
