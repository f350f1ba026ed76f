"""The three ways to read a stream: take it, follow it, or tap it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypedDict

from transform_hub.client.body import Progress
from transform_hub.client.cursor import Cursor, Tap
from transform_hub.client.follower import Follower, over
from transform_hub.client.reader import Reader
from transform_hub.client.transport import Deadline, Transport
from transform_hub.client.upload import Explain, as_told


class Take(TypedDict, total=False):
    """What every way of reading can be told."""

    idle_timeout: Deadline
    progress: Progress | None


class Follow(Take, total=False):
    """What following and tapping can be told."""

    reconnect_timeout: float | None


def reading(
    transport: Transport,
    path: str,
    *,
    follow: bool,
    tap: bool = False,
    reconnect_timeout: float | None = None,
    cursor: Cursor | None = None,
    is_over: Callable[[], Awaitable[bool]] = over,
    explain: Explain = as_told,
    **options: Any,
) -> Reader | Follower:
    """A Reader of a stream, or a Follower of it with ``follow`` or ``tap``; neither is open yet.

    Args:
        transport: carries the requests.
        path: below the API's base.
        follow: read on over lost connections.
        tap: read a copy.
        reconnect_timeout: seconds for reconnecting; None is no limit.
        cursor: finds out whether a followed stream resumes where it was lost.
        is_over: whether nothing more is to come after a stream that ended properly.
        explain: finds out why a stream that is only taken broke off.
        options: of both classes.
    """
    if follow and tap:
        raise ValueError("use either follow or tap: a tap reconnects by itself")
    if not (follow or tap):
        return Reader(transport, path, explain=explain, **options)
    if tap:
        path, cursor = f"{path}?tap=true", Tap()
    return Follower(transport, path, cursor=cursor, is_over=is_over, reconnect_timeout=reconnect_timeout, **options)
