"""Values that are sent as JSON, checked before: an error names the part that JSON can't hold."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_PLAIN = (str, bool, type(None))


def json_value(value: T, name: str) -> T:
    """The value, checked with all its parts.

    Args:
        value: becomes JSON.
        name: the argument's name, for errors.

    Raises:
        TypeError: JSON has no such type.
        ValueError: JSON, or a Hub, has no such number: NaN, infinite, beyond 64 bits.
    """
    _check(value, name)
    return value


def _check(value: Any, name: str) -> None:
    if isinstance(value, _PLAIN):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}, and JSON has no such number")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            raise ValueError(f"{name} is a number beyond 64 bits: send it as a str")
    elif isinstance(value, dict):
        for key, part in value.items():
            _check(part, f"{name}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for place, part in enumerate(value):
            _check(part, f"{name}[{place}]")
    else:
        _check(_plain(value, name), name)


def _plain(value: Any, name: str) -> Any:
    """A dataclass, a date or the like as it is sent."""
    try:
        return msgspec.to_builtins(value)
    except TypeError as error:
        raise TypeError(f"{name} can't be sent as JSON: {error}") from None
