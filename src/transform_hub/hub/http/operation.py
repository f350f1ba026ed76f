"""What a route says of itself: one declaration beside its handler, from which the OpenAPI document is made.

    @routes.post("/api/v1/thing/{id}")
    @operation(body=ThingRequest, answer=Thing, status=202, refuses=(404, 409))
    async def change_thing(request): ...

The handler's docstring is the summary; what follows its first paragraph is the description.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiohttp import web

STREAM_TYPE = "application/octet-stream"

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[web.StreamResponse]])


@dataclasses.dataclass(frozen=True)
class Content:
    """A body that is no JSON.

    Attributes:
        description: what is in it.
        media_types: its content types; none if there is nothing.
    """

    description: str
    media_types: tuple[str, ...] = (STREAM_TYPE,)


@dataclasses.dataclass(frozen=True)
class Header:
    """A header of the request.

    Attributes:
        name: how it is called.
        description: what it means.
    """

    name: str
    description: str


NOTHING = Content("Nothing.", ())
"""An answer without a body."""

LOG_LINES = Content("One `LogEntry` in JSON per line.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation:
    """What goes into a route and comes out of it.

    Attributes:
        body: of the request: a type for JSON, or a :class:`Content`; None takes none.
        body_required: whether there has to be one.
        answer: the body of the answer: a type for JSON, or a :class:`Content`; None if it always refuses.
        status: of that answer.
        other_statuses: those it may have instead, with why.
        refuses: statuses of errors, beside those that every route may have.
        headers: of the request.
        path: the only values that a part of the path may have, where they are few.
        is_endless: whether it may take as long as the client waits: a stream, or an event that may never come.
    """

    body: Any = None
    body_required: bool = False
    answer: Any = None
    status: int = 200
    other_statuses: dict[int, str] = dataclasses.field(default_factory=dict)
    refuses: tuple[int, ...] = ()
    headers: tuple[Header, ...] = ()
    path: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    is_endless: bool = False


_OPERATIONS: dict[Callable[..., Any], Operation] = {}


def operation(**declared: Any) -> Callable[[Handler], Handler]:
    """Declare what a route is, see :class:`Operation`."""

    def decorate(handler: Handler) -> Handler:
        _OPERATIONS[handler] = Operation(**declared)
        return handler

    return decorate


def operation_of(handler: Callable[..., Any]) -> Operation | None:
    """What a route's handler was declared to be."""
    return _OPERATIONS.get(handler)


def name_of(handler: Callable[..., Any]) -> str:
    """What the operation of a handler is called, e.g. ``sequences.send_sequence``."""
    return f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}"
