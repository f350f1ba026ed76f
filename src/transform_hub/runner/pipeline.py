"""The engine of the framework's Streams: same order, same ``max_parallel``, a fraction of the time per item.

The framework's own engine makes a task and several futures per item, 30 us. Here an item costs a task only where a
function of the Sequence has to be awaited; plain functions run in one go.

    write, feed ─> raw ─ functions, max_parallel items at most ─> running ─ in order ─> ready ─> read, async for

    no functions           items are ready at once
    functions, not async   items become ready up to max_parallel ahead of the reader
    async functions        up to max_parallel items are running or ready; each read begins another

A writer waits while max_parallel items are unread. Reader and functions give the event loop its turn every ``TURN``.
A function that fails stops its Stream after the items before. As in the framework's own engine, the failed task is
called ``_process``, by which the runner knows that the Instance has failed (see ``PythonRunner._task``).

None is an item as any other, since a record of JSON may be null; only :data:`END` is the end. In the framework's own
engine None ends the Stream, so a function that makes None of an item is told in the log.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from time import monotonic
from types import FunctionType
from typing import Any

from scramjet import pyfca
from scramjet.pyfca import DropChunk

from transform_hub.runner.log import LOGGER

END = object()
"""What ``take`` gives at the end."""

TURN = 0.002
"""Seconds of work on items before events, stop handlers and other tasks get their turn."""

Step = Callable[[Any], Any]
"""A function of a Stream: returns the new item, DropChunk, or a coroutine of either."""

# asyncio.iscoroutine takes longer than most functions that Sequences give to map.
NO_COROUTINES = frozenset((str, bytes, int, float, bool, list, dict, tuple, set, type, type(None), FunctionType))


class Pipeline:
    """Carries the items of a Stream and of the Streams derived from it by map, filter, each and decode.

    Args:
        max_parallel: items that may be running, or finished and unread.
        name: for the framework, whose own engine has one.

    Attributes:
        ended: nothing more will be written.
        ready: items that can be read.
        asked: called when somebody reads, and there is no item for it, or no more.
        strict: every item has to be taken with ``read``, since each read makes room for another.
    """

    def __init__(self, max_parallel: int, name: str = "pyfca") -> None:
        self.max_parallel = max_parallel
        self.name = name
        self.ended = False
        self.ready: deque[Any] = deque()
        self.strict = False
        self.asked: Callable[[], object] = lambda: None
        self._loop = asyncio.get_event_loop()
        self._steps: list[Step] = []
        self._raw: deque[Any] = deque()
        self._running: deque[asyncio.Future[Any]] = deque()
        self._readers: deque[asyncio.Future[Any]] = deque()
        self._writers: deque[asyncio.Future[None]] = deque()
        self._feeder: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] = self._loop.create_future()
        self._drained.set_result(None)
        self._limit = float("inf")  # of items begun: an item written without waiting is to be processed at once
        self._turn = 0.0
        self._scheduled = self._advancing = self._concurrent = self._failed = False

    def add_transform(self, step: Step) -> None:
        """Apply a function to all items that were neither read nor given to other functions before."""
        if not self._steps:
            self._raw.extend(self.ready)
            self.ready.clear()
        self._steps.append(step)
        self._schedule()

    def write(self, chunk: Any) -> asyncio.Future[None]:
        """Write an item; the future is done when there is room for more."""
        self._put((chunk,))
        if self.unread < self.max_parallel:
            return self._drained
        drained: asyncio.Future[None] = self._loop.create_future()
        self._writers.append(drained)
        self.strict = True
        return drained

    async def feed(self, chunks: Iterable[Any]) -> None:
        """Write many items at once, begun as there is room; wait until more are needed."""
        self._limit = self.max_parallel
        self._put(chunks)
        if not self._hungry():
            self._feeder = self._loop.create_future()
            await self._feeder

    def end(self) -> None:
        if self.ended:
            raise pyfca.MultipleEnd
        self.ended = True
        self._schedule()

    async def read(self) -> Any:
        """The next item; None at the end, and for a null record."""
        chunk = await self.take()
        return None if chunk is END else chunk

    async def take(self) -> Any:
        """The next item; END at the end."""
        if monotonic() > self._turn:
            await asyncio.sleep(0)
            self._turn = monotonic() + TURN
        if not self.ready:
            self._advance()
        if self.ready:
            chunk = self.ready.popleft()
            if self.strict:
                self._advance(freed=1)
            return chunk
        if self._over():
            self.asked()
            return END
        return await self._arrival()

    async def _arrival(self) -> Any:
        reader = self._loop.create_future()
        self._readers.append(reader)
        if not self.unread:
            self.asked()
        try:
            return await reader
        except asyncio.CancelledError:
            if reader.done() and not reader.cancelled() and reader.result() is not END:  # too late for this reader
                self.ready.appendleft(reader.result())
                self._hand_out()
            raise

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody reads, and nothing is left of what was written."""
        return not self.unread and any(not reader.done() for reader in self._readers)

    @property
    def unread(self) -> int:
        """Items that were written and not read."""
        return len(self._raw) + len(self._running) + len(self.ready)

    def _hungry(self) -> bool:
        # Without functions nothing runs ahead: a block is read when the one before it was.
        return self.unread < (self.max_parallel if self._steps else 1)

    def _over(self) -> bool:
        return self.ended and not self.unread

    def _put(self, chunks: Iterable[Any]) -> None:
        if self.ended:
            raise pyfca.WriteAfterEnd
        if self._steps:
            self._raw.extend(chunks)
            self._schedule()
        else:
            self.ready.extend(chunks)
            self._hand_out()

    def _schedule(self) -> None:
        """Go on in the loop's next turn: the caller may be about to add functions."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._advance)

    def _advance(self, freed: int = 0) -> None:
        """Begin as many items as may run, hand out the ready ones, and let at least ``freed`` writers go on."""
        if self._advancing:  # a function writes to its own Stream
            return
        self._scheduled, self._advancing = False, True
        try:
            end = monotonic() + TURN
            while self._raw and not self._failed and len(self._running) + len(self.ready) < self._limit:
                self._begin(self._raw.popleft())
                if monotonic() > end:
                    self._schedule()
                    break
        finally:
            self._advancing = False
        self._hand_out(freed)

    def _begin(self, chunk: Any) -> None:
        """Give an item to the functions, up to the first that must be awaited."""
        steps = iter(self._steps)
        try:
            for step in steps:
                given, chunk = chunk, step(chunk)
                if type(chunk) not in NO_COROUTINES and asyncio.iscoroutine(chunk):
                    return self._run(_process(given, step, chunk, steps))
                if chunk is DropChunk:
                    return None
                if chunk is None and given is not None:
                    _tell_none(step)
        except Exception as error:  # noqa: BLE001 - the Sequence's own failure
            return self._run(_process(None, _failure, _failure(error), steps))
        if not self._running:
            return self.ready.append(chunk)
        done = self._loop.create_future()
        done.set_result(chunk)
        return self._running.append(done)

    def _run(self, process: Coroutine[Any, Any, Any]) -> None:
        self._concurrent = self.strict = True
        task = self._loop.create_task(process)
        task.add_done_callback(self._finished)
        self._running.append(task)

    def _finished(self, task: asyncio.Future[Any]) -> None:
        self._failed |= task.cancelled() or task.exception() is not None
        while self._running and (first := self._running[0]).done():
            if first.cancelled() or first.exception() is not None:
                break
            self._running.popleft()
            if (chunk := first.result()) is not DropChunk:
                self.ready.append(chunk)
        self._advance()

    def _hand_out(self, freed: int = 0) -> None:
        """Give ready items to waiting readers, and room to waiting writers."""
        while self._readers and (self.ready or self._over()):
            reader = self._readers.popleft()
            if not reader.done():
                reader.set_result(self.ready.popleft() if self.ready else END)
        room = max(self.max_parallel - self.unread, freed)
        while self._writers and room > 0:
            drained = self._writers.popleft()
            if not drained.done():
                drained.set_result(None)
                room -= 1
        self.strict = self._concurrent or bool(self._writers)
        if self._readers and not self.unread:  # the functions have dropped an item
            self.asked()
        if self._feeder is not None and self._hungry():
            if not self._feeder.done():
                self._feeder.set_result(None)
            self._feeder = None


async def _process(given: Any, first: Step, pending: Coroutine[Any, Any, Any], steps: Iterator[Step]) -> Any:
    """Take an item through the rest of the functions, from the one that must be awaited."""
    chunk = await pending
    if chunk is None and given is not None:
        _tell_none(first)
    for step in steps:
        if chunk is DropChunk:
            break
        given, chunk = chunk, step(chunk)
        if asyncio.iscoroutine(chunk):
            chunk = await chunk
        if chunk is None and given is not None:
            _tell_none(step)
    return chunk


_told: set[int] = set()


def _tell_none(step: Step) -> None:
    """Warn once per function; the set keeps ids, since a callable need not be hashable."""
    if id(step) in _told:
        return
    _told.add(id(step))
    name = getattr(step, "__qualname__", repr(step))
    LOGGER.warning("map: %s returned None, which goes on as null; to leave an item out return DropChunk", name)


async def _failure(error: Exception) -> Any:
    raise error
