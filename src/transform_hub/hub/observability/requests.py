"""The requests that the Hub is answering, and how many it has answered."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextvars import ContextVar

MAX_ID = 200
"""Letters that the id of a request may have."""


class Requests:
    """Counts requests.

    Attributes:
        open: how many are being answered, by operation.
        answered: how many were answered, by operation and status; 0 for those whose client went away.
    """

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self.answered: Counter[tuple[str, int]] = Counter()
        self._closed = asyncio.Event()

    @contextlib.contextmanager
    def counted(self, operation: str, request_id: str) -> Iterator[Answered]:
        """For as long as a request is open; what is logged meanwhile in its task has its id."""
        self.open[operation] += 1
        answered = Answered(request_id)
        _current.set(answered)
        if task := asyncio.current_task():
            task.add_done_callback(answered.finish)
        try:
            yield answered
        finally:
            self.open[operation] -= 1
            self.answered[operation, answered.status] += 1
            self._closed.set()

    async def none_open(self, operations: Iterable[str]) -> None:
        """Wait until none of these is open."""
        watched = tuple(operations)
        while any(self.open[operation] for operation in watched):
            self._closed.clear()
            await self._closed.wait()


class Answered:
    """A request, and what it was answered with.

    Attributes:
        id: that it came with, or was given.
        caller: the name of the token it came with, if that is known.
        status: of the answer; 0 as long as there is none.
        is_over: whether its task has ended; what that has started may go on.
    """

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        self.caller: str | None = None
        self.status = 0
        self.is_over = False

    def finish(self, _: object) -> None:
        """What is logged from now on is not of this request."""
        self.is_over = True


_current: ContextVar[Answered | None] = ContextVar("request", default=None)


def current_request() -> Answered | None:
    """The request that is being answered here."""
    request = _current.get()
    return None if request is None or request.is_over else request


def id_of(given: str) -> str:
    """The id of a request: what it came with, as far as that can be printed, else a new one."""
    return "".join(filter(str.isprintable, given[:MAX_ID])).strip() or str(uuid.uuid4())
