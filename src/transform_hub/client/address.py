"""Where a Hub is: its base URL and the paths below it."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from yarl import URL

API_BASE = "/api/v1"


_UNIX = re.compile(r"http\+unix://([^/?#@]+)(/[^?#]*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """The base URL of a Hub's API, without the credentials that the given URL may have had.

    Attributes:
        base: like ``http://127.0.0.1:8000/api/v1``, no slash at its end.
        authorization: value of the Authorization header that the credentials amount to; may be empty.
        socket: path of the Unix socket that the Hub listens on, if it does.
    """

    base: str
    authorization: str = field(default="", repr=False)
    socket: str | None = None
    _sent: str = field(default="", repr=False)  # base of the URLs that are sent, if it is another

    @classmethod
    def parse(cls, url: str | URL) -> Address:
        """Read the URL a user wrote.

        Args:
            url: slashes too many are forgiven; a URL without any path means ``/api/v1`` there. In the URL of a
                Unix socket its path is quoted: ``http+unix://%2Frun%2Fhub.sock/api/v1``.

        Raises:
            ValueError: it is not an http, https or http+unix URL; the text says what to write.
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
            raise ValueError(f"The URL of a Hub has no query and no fragment; write only {_shown(text)!r}")
        return cls(base + _path(parsed.raw_path), basic(parsed))

    @classmethod
    def _of_socket(cls, socket: str, path: str | None) -> Address:
        whole = _path(path)
        return cls(f"http+unix://{socket}{whole}", socket=unquote(socket), _sent=f"http://localhost{whole}")

    def below(self, path: str) -> Address:
        """The address of an API that is served under this one, with the same credentials."""
        return replace(self, base=self.base + path, _sent=self._sent and self._sent + path)

    def url(self, path: str) -> URL:
        """The URL of a path that is quoted already and begins with a slash."""
        return URL((self._sent or self.base) + path, encoded=True)


def segment(value: str, what: str) -> str:
    """Quote an id or name for use in a path, so that nothing in it can lead elsewhere.

    Raises:
        TypeError, ValueError: it is no text, or can't be part of a path.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    if value.strip(".") == "":
        raise ValueError(f"{value!r} can't be {what}")
    # What may stand in a segment as it is must do so: STH compares paths as they are sent.
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
    """What the credentials in a URL are in a header; empty if there are none."""
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
