"""The values of a profile: defaults and checks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from transform_hub.errors import ProfileError, ProfileValueError

DEFAULTS: dict[str, Any] = {
    "configVersion": 1,
    "apiUrl": "http://127.0.0.1:8000/api/v1",
    "middlewareApiUrl": "",
    "env": "development",
    "scope": "",
    "token": "",
    "log": {"debug": False, "format": "pretty"},
}

ENVIRONMENTS = ("development", "production")
FORMATS = ("pretty", "json")

_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*")
_TOKEN = re.compile(r"[!-~]*")
_KINDS = {int: "a number", str: "a string", dict: "an object"}


def check(values: dict[str, Any], *, where: str = "") -> None:
    """Check values that were read.

    Raises:
        ProfileError: one is invalid.
    """
    _refuse(values, _defect, where)


def check_for_writing(values: dict[str, Any]) -> None:
    """Check values before writing: STH's ``si`` resets a profile that it can't read.

    Tokens are an exception: those of a Hub need not be JSON Web Tokens, see :func:`is_jwt`.

    Raises:
        ProfileValueError: one is invalid.
    """
    try:
        _refuse(values, lambda key, value: _defect(key, value) or _dislike(key, value), "")
    except ProfileError as error:
        raise ProfileValueError(str(error)) from None


def is_jwt(token: str) -> bool:
    """Whether a token looks like a JSON Web Token, the only kind that STH's ``si`` accepts."""
    return _JWT.fullmatch(token) is not None


def _refuse(values: dict[str, Any], find: Callable[[str, Any], str], where: str) -> None:
    for key, value in values.items():
        if defect := find(key, value):
            raise ProfileError(f"{where}{key} {defect}")


def _defect(key: str, value: Any) -> str:
    if key not in DEFAULTS:
        return ""
    expected = type(DEFAULTS[key])
    if not isinstance(value, expected) or isinstance(value, bool):
        return f"must be {_KINDS[expected]}, not {json.dumps(value)}"
    if key == "env" and value not in ENVIRONMENTS:
        return f"must be development or production, not {value!r}"
    return _log_defect(value) if key == "log" else ""


def _dislike(key: str, value: Any) -> str:
    if key in ("apiUrl", "middlewareApiUrl"):
        return _url_defect(value) if value or key == "apiUrl" else ""
    if key == "token" and not _TOKEN.fullmatch(value):
        return "must be printable ASCII characters without spaces"
    return ""


def _url_defect(url: str) -> str:
    example = "http://127.0.0.1:8000/api/v1"
    expected = f"must be a URL like {example}, not {url!r}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return expected
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return expected
    return f"must name the port, as {example} does" if port is None and parts.scheme == "http" else ""


def _log_defect(log: dict[str, Any]) -> str:
    if log.get("format", "pretty") not in FORMATS:
        return f"format must be pretty or json, not {log['format']!r}"
    return "" if isinstance(log.get("debug", False), bool) else f"debug must be true or false, not {log['debug']!r}"
