"""Lines of JSON that msgspec refuses though they can be read: with a byte order mark, or text that is not Unicode."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec


def decode_damaged(line: bytes, type: Any) -> Any:
    """Decode such a line; lone surrogates stand for what is not Unicode in it.

    Raises:
        ValueError: it is not JSON, or not of this type; says why.
    """
    text = line.decode("utf-8-sig", "surrogateescape")
    try:
        value = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at column {error.colno}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return msgspec.convert(value, type) if type is not Any else value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
