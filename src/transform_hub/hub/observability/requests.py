"""The open requests of a Hub, and the number of those it has answered."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Iterator
from contextvars import ContextVar

MAX_ID = 200
"""Letters of a request's id that are kept."""


class Requests:
    """Counts requests.

    Attributes:
        open: number of requests that are being answered, by operation.
        answered: number of requests that were answered, by operation and status; 0 if the client went away.
    """

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self.answered: Counter[tuple[str, int]] = Counter()
        self._to_drain = 0
        self._closed = asyncio.Event()

    @contextlib.contextmanager
    def counted(self, operation: str, request_id: str, *, is_drained: bool = False) -> Iterator[Answered]:
        """Count a request for as long as it is open; entries that its task logs meanwhile have its id.

        Args:
            operation: its name.
            request_id: its id.
            is_drained: whether :meth:`drained` waits for its end.
        """
        self.open[operation] += 1
        self._to_drain += is_drained
        answered = Answered(request_id)
        _current.set(answered)
        if task := asyncio.current_task():
            task.add_done_callback(answered.finish)
        try:
            yield answered
        finally:
            self.open[operation] -= 1
            self._to_drain -= is_drained
            self.answered[operation, answered.status] += 1
            self._closed.set()

    async def drained(self) -> None:
        """Wait until none is open that is to be drained."""
        while self._to_drain:
            self._closed.clear()
            await self._closed.wait()


class Answered:
    """A request and its answer.

    Attributes:
        id: that it came with, or was given.
        caller: the name of its token, if it has a valid one.
        status: of the answer; 0 until there is one.
        is_over: whether its task has ended; tasks that this one has started may go on.
    """

    def __init__(self, request_id: str) -> None:
        self.id = request_id
        self.caller: str | None = None
        self.status = 0
        self.is_over = False

    def finish(self, _: object) -> None:
        """Keep the id out of what is logged from now on."""
        self.is_over = True


_current: ContextVar[Answered | None] = ContextVar("request", default=None)


def current_request() -> Answered | None:
    """The request that the running task answers."""
    request = _current.get()
    return None if request is None or request.is_over else request


def id_of(given: str) -> str:
    """The id of a request: the printable part of what it came with, else a new one."""
    return "".join(filter(str.isprintable, given[:MAX_ID])).strip() or str(uuid.uuid4())
