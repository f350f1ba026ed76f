"""The Hubs that this process serves, so that no thread waits for a Hub which only that thread could let answer.

The event loop of a Hub answers nothing while its thread is blocked, as by a call of a sync client.
"""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar

from transform_hub.models.rules import is_loopback

ANY = ("0.0.0.0", "::")  # noqa: S104 - a Hub that listens there is reached by loopback, too

CALLER: ContextVar[int | None] = ContextVar("transform_hub_caller", default=None)
"""The thread that waits for what a task of another thread does."""

_served: dict[tuple[str, int], int] = {}
"""Threads of event loops by host and port."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_served.clear)


def begin(host: str, port: int) -> None:
    """This thread serves a Hub there."""
    _served[host, port] = threading.get_ident()


def end(host: str, port: int) -> None:
    """It does no more."""
    _served.pop((host, port), None)


def blocks_itself(host: str, port: int) -> bool:
    """Whether the thread that waits for a Hub there is the one that serves it."""
    caller = CALLER.get()
    if caller is None or caller not in _served.values():
        return False
    return any(thread == caller and _leads_to(there, (host, port)) for there, thread in _served.items())


def _leads_to(served: tuple[str, int], asked: tuple[str, int]) -> bool:
    if served == asked:
        return True
    own, host = served[0], asked[0]
    is_other_name = is_loopback(host) if own in ANY else host == "localhost" and is_loopback(own)
    return served[1] == asked[1] and is_other_name
