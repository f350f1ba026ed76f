"""Long lists: whole as STH sends them, or the part that ``?limit=`` and ``?offset=`` name.

They are written in short turns, so that nobody waits for the list of another. What ends meanwhile is told as it is by
then, and what is gone is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.parts import PARTS
from transform_hub.hub.http.route import Query
from transform_hub.hub.turns import Turns
from transform_hub.models.rules import JSON_TYPES, TOTAL_COUNT

T = TypeVar("T")

_NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 999_999_999}

LIMIT = Query("limit", f"Items at most; all by default. `{TOTAL_COUNT}` in the answer has the number of all.", _NUMBER)
OFFSET = Query("offset", "Items to skip.", _NUMBER)


async def list_response(
    request: web.Request, items: Sequence[T], describe: Callable[[T], Any], *, limit: int | None = None
) -> web.Response:
    """Answer with a list, or the part of it that the request asks for.

    Args:
        request: may have ``limit`` and ``offset`` in its query.
        items: the whole list, which does not change meanwhile.
        describe: makes of an item what is sent; None leaves it out.
        limit: items that a request without ``limit`` gets; None are all.

    Raises:
        ApiError: limit or offset is no number.
    """
    rest = items[_number(request, OFFSET.name) :]
    asked = rest[: _number(request, LIMIT.name, limit)]
    body = await encoded_list(request.app[PARTS].turns, asked, describe)
    return web.Response(body=body, content_type=JSON_TYPES[0], headers={TOTAL_COUNT: str(len(items))})


async def encoded_list(turns: Turns, items: Iterable[T], describe: Callable[[T], Any]) -> bytes:
    """A list in JSON; ``describe`` and ``items`` as of :func:`list_response`."""
    encoded: list[bytes] = []

    def add(item: T) -> None:
        if (described := describe(item)) is not None:
            encoded.append(msgspec.json.encode(described))

    await turns.each(add, items)
    return b"[%s]" % b",".join(encoded)


def _number(request: web.Request, name: str, default: int | None = None) -> int | None:
    given = request.query.get(name)
    if given is None:
        return default
    if not re.fullmatch(r"\d{1,9}", given, re.ASCII):
        raise ApiError(400, f"Invalid {name} format: a number from 0 on, not {given!r}")
    return int(given)
