"""The HTTP proxy that the environment names for a URL: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."""

from __future__ import annotations

import ipaddress
import urllib.request
from dataclasses import dataclass, field

import aiohttp
from yarl import URL


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        url: without credentials.
        auth: its credentials, if it has any.
    """

    url: URL
    auth: aiohttp.BasicAuth | None = field(default=None, repr=False)


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
    auth = aiohttp.BasicAuth(url.user or "", url.password or "", "utf-8") if url.user or url.password else None
    return Proxy(url.origin(), auth)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
