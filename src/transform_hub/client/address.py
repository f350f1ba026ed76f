"""Addresses: the base URL of an API and the paths below it."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from yarl import URL

from transform_hub.served import CALLER, blocks_itself

API_BASE = "/api/v1"


_UNIX = re.compile(r"http\+unix://([^/?#@]+)(/[^?#]*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """The base URL of a Hub's API, without the credentials that the given URL may have had.

    Attributes:
        base: like ``http://127.0.0.1:8000/api/v1``, no slash at its end.
        authorization: the URL's credentials as an Authorization header; may be empty.
        socket: path of the Unix socket that the Hub listens on, if it is one.
    """

    base: str
    authorization: str = field(default="", repr=False)
    socket: str | None = None
    _sent: str = field(default="", repr=False)  # base of the URLs in requests, if it differs

    @classmethod
    def parse(cls, url: str | URL) -> Address:
        """Read the URL a user wrote.

        Args:
            url: extra slashes are ignored; without a path, ``/api/v1`` is added. The path of a Unix socket is
                quoted: ``http+unix://%2Frun%2Fhub.sock/api/v1``.

        Raises:
            ValueError: it is not an http, https or http+unix URL; the message has an example.
        """
        text = str(url).strip()
        if match := _UNIX.fullmatch(text):
            return cls._of_socket(*match.groups())
        if not re.match(r"https?://[^/]", text, re.IGNORECASE):
            raise ValueError(_advice(text))
        try:
            parsed = URL(text)
            base = str(parsed.origin())
        except ValueError:
            raise ValueError(_advice(text)) from None
        if parsed.raw_query_string or parsed.raw_fragment:
            raise ValueError(f"The URL of a Hub can't have a query or fragment; use {_shown(text)!r}")
        return cls(base + _path(parsed.raw_path), basic(parsed))

    @classmethod
    def _of_socket(cls, socket: str, path: str | None) -> Address:
        whole = _path(path)
        return cls(f"http+unix://{socket}{whole}", socket=unquote(socket), _sent=f"http://localhost{whole}")

    @property
    def is_blocked_by_caller(self) -> bool:
        """Whether it is of a Hub in the event loop of the thread that waits for this task."""
        if CALLER.get() is None or self.socket is not None:
            return False
        url = URL(self.base)
        return blocks_itself(url.host or "", url.port or 0)

    def below(self, path: str) -> Address:
        """The address of an API below this one, with the same credentials."""
        return replace(self, base=self.base + path, _sent=self._sent and self._sent + path)

    def url(self, path: str) -> URL:
        """The URL of a path that is quoted already and begins with a slash."""
        return URL((self._sent or self.base) + path, encoded=True)


def segment(value: str, what: str) -> str:
    """Quote an id or name for a path, so that it can't lead elsewhere.

    Raises:
        TypeError, ValueError: it is not a str, or can't be part of a path.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    if value.strip(".") == "":
        raise ValueError(f"{value!r} can't be {what}")
    # Characters that need no quoting must stay: STH compares paths as they are sent.
    return quote(value, safe="!$&'()*+,;=:@")


def sequence_path(sequence_id: str) -> str:
    """Path of a Sequence in the API; raises what :func:`segment` does."""
    return f"/sequence/{segment(sequence_id, 'a Sequence id')}"


def instance_path(instance_id: str) -> str:
    """Path of an Instance in the API; raises what :func:`segment` does."""
    return f"/instance/{segment(instance_id, 'an Instance id')}"


def _path(path: str | None) -> str:
    return re.sub(r"/{2,}", "/", path or "").rstrip("/") or API_BASE


def basic(url: URL) -> str:
    """A URL's credentials as a header; empty if there are none."""
    if url.user is None and url.password is None:
        return ""
    return "Basic " + b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()


def _shown(text: str) -> str:
    """A URL without credentials and query, which may have a token."""
    scheme, separator, rest = re.split(r"[?#]", text, maxsplit=1)[0].rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def _advice(text: str) -> str:
    shown = _shown(text)
    example = shown if "://" not in shown and re.match(r"[\w.\[-]", shown) else "127.0.0.1:8000/api/v1"
    return f"{shown!r} is not the URL of a Hub; use one like http://{example}"
