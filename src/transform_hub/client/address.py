"""Where a Hub is: its base URL and the paths below it."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import quote

from yarl import URL

API_BASE = "/api/v1"


@dataclass(frozen=True)
class Address:
    """The base URL of a Hub's API, without the credentials that the given URL may have had.

    Attributes:
        base: like ``http://127.0.0.1:8000/api/v1``, no slash at its end.
        authorization: value of the Authorization header that the credentials amount to; may be empty.
    """

    base: str
    authorization: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str | URL) -> Address:
        """Read the URL a user wrote.

        Args:
            url: slashes too many are forgiven; a URL without any path means ``/api/v1`` there.

        Raises:
            ValueError: it is not an http or https URL; the text says what to write.
        """
        text = str(url).strip()
        if not re.match(r"https?://[^/]", text, re.IGNORECASE):
            raise ValueError(_advice(text))
        try:
            parsed = URL(text)
            base = str(parsed.origin())
        except ValueError:
            raise ValueError(_advice(text)) from None
        if parsed.raw_query_string or parsed.raw_fragment:
            raise ValueError(f"The URL of a Hub has no query and no fragment; write only {_shown(text)!r}")
        path = re.sub(r"/{2,}", "/", parsed.raw_path).rstrip("/")
        return cls(base + (path or API_BASE), _basic(parsed))

    def below(self, path: str) -> Address:
        """The address of an API that is served under this one, with the same credentials."""
        return Address(self.base + path, self.authorization)

    def url(self, path: str) -> URL:
        """The URL of a path that is quoted already and begins with a slash."""
        return URL(self.base + path, encoded=True)


def segment(value: str, what: str) -> str:
    """Quote an id or name for use in a path, so that nothing in it can lead elsewhere.

    Raises:
        TypeError, ValueError: it is no text, or can't be part of a path.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    if value.strip(".") == "":
        raise ValueError(f"{value!r} can't be {what}")
    return quote(value, safe="")


def _basic(url: URL) -> str:
    if url.user is None and url.password is None:
        return ""
    return "Basic " + b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()


def _shown(text: str) -> str:
    """What of a URL can be shown: not its credentials, and no query, where tokens are put too."""
    scheme, separator, rest = re.split(r"[?#]", text, maxsplit=1)[0].rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def _advice(text: str) -> str:
    shown = _shown(text)
    example = shown if "://" not in shown and re.match(r"[\w.\[-]", shown) else "127.0.0.1:8000/api/v1"
    return f"{shown!r} is not the URL of a Hub; write it like http://{example}"
