"""Puts the framework's Streams on Pipelines: operators and iteration.

The framework's operators wrap each function in a coroutine; these call it, and await only what is a coroutine. They
rest on private names of scramjet-framework-py (``Pyfca``, ``_pyfca``, ``_uncork``, ``_mark_consumed``): its version
is pinned to a range, and ``tests/runner/test_framework.py`` has a test for each name.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine
from time import monotonic
from types import GenericAlias
from typing import Any

from scramjet import streams as framework
from scramjet.pyfca import DropChunk

from transform_hub.runner.pipeline import END, NO_COROUTINES, TURN, Pipeline, Step


def _map(stream: Any, func: Callable[..., Any], *args: Any) -> Any:
    """Transform each chunk using a function."""
    step = functools.update_wrapper(lambda chunk: func(chunk, *args), func) if args else func
    return _derive(stream, step, "m")


def _filter(stream: Any, func: Callable[..., Any], *args: Any) -> Any:
    """Keep only chunks for which func evaluates to True."""

    async def decided(decision: Coroutine[Any, Any, Any], chunk: Any) -> Any:
        return chunk if await decision else DropChunk

    def step(chunk: Any) -> Any:
        decision = func(chunk, *args)
        if type(decision) not in NO_COROUTINES and asyncio.iscoroutine(decision):
            return decided(decision, chunk)
        return chunk if decision else DropChunk

    return _derive(stream, step, "f")


def _each(stream: Any, func: Callable[..., Any], *args: Any) -> Any:
    """Perform an operation on each chunk and return it unchanged."""

    async def performed(operation: Coroutine[Any, Any, Any], chunk: Any) -> Any:
        await operation
        return chunk

    def step(chunk: Any) -> Any:
        result = func(chunk, *args)
        if type(result) not in NO_COROUTINES and asyncio.iscoroutine(result):
            return performed(result, chunk)
        return chunk

    return _derive(stream, step, "m")


def _derive(stream: Any, step: Step, suffix: str) -> Any:
    stream._mark_consumed()
    derived = stream.__class__(upstream=stream, origin=stream._origin, name=f"{stream.name}+{suffix}")
    derived._pyfca.add_transform(step)
    return derived


def _begin(stream: Any, suffix: str) -> Any:
    stream._mark_consumed()
    name = f"{stream.name}+{suffix}"
    return stream.__class__(max_parallel=stream._pyfca.max_parallel, origin=stream._origin, name=name)


def _flatmap(stream: Any, func: Callable[..., Any], *args: Any) -> Any:
    """Run func on each chunk and return all results as separate chunks."""
    derived = _begin(stream, "fm")

    async def consume() -> None:
        async for chunk in Items(stream):
            for item in await _value(func(chunk, *args)):
                await derived._pyfca.write(item)
        derived._pyfca.end()

    derived._task = asyncio.create_task(consume(), name="flatmap-consumer")
    return derived


def _batch(stream: Any, func: Callable[..., Any] | int, *args: Any) -> Any:
    """Convert a stream of chunks into a stream of lists of chunks.

    Args:
        stream: the stream.
        func: is true for the last chunk of a list; a number makes lists of that many.
        args: further arguments of ``func``.

    Raises:
        ValueError: the number is less than 1.
    """
    if isinstance(func, int):
        return _window(stream, count=func)
    derived = _begin(stream, "b")

    async def consume() -> None:
        batch = []
        async for chunk in Items(stream):
            batch.append(chunk)
            if func(chunk, *args):
                await derived._pyfca.write(batch)
                batch = []
        if batch:
            await derived._pyfca.write(batch)
        derived._pyfca.end()

    derived._task = asyncio.create_task(consume())
    return derived


def _window(stream: Any, seconds: float | None = None, count: int | None = None) -> Any:
    """Convert a stream of chunks into a stream of lists: those that came within a time, or a number of them.

    A list ends with whatever comes first. No list is empty.

    Args:
        stream: the stream.
        seconds: from the first chunk of a list on.
        count: chunks of a list.

    Raises:
        ValueError: neither is given, or one is out of range.
    """
    if seconds is None and count is None:
        raise ValueError("window() needs seconds, count, or both")
    if (seconds is not None and not seconds > 0) or (count is not None and count < 1):
        raise ValueError("seconds has to be more than 0, and count at least 1")
    derived = _begin(stream, "w")
    chunks = Items(stream)

    async def gather() -> list[Any]:
        window = [await anext(chunks)]
        until = None if seconds is None else monotonic() + seconds
        with contextlib.suppress(StopAsyncIteration, asyncio.TimeoutError):
            while len(window) != count:
                if until is None or chunks.at_hand:
                    window.append(await anext(chunks))
                else:
                    window.append(await asyncio.wait_for(anext(chunks), until - monotonic()))
                if until is not None and monotonic() >= until:
                    break
        return window

    async def consume() -> None:
        with contextlib.suppress(StopAsyncIteration):
            while True:
                await derived._pyfca.write(await gather())
        derived._pyfca.end()

    derived._task = asyncio.create_task(consume())
    return derived


def _sequence(stream: Any, sequencer: Callable[[Any, Any], Any], initialPartial: Any = None) -> Any:  # noqa: N803
    """Change how the data is chopped into chunks: the last item of what sequencer gives goes to its next call."""
    derived = _begin(stream, "s")

    async def consume() -> None:
        partial = initialPartial
        async for chunk in Items(stream):
            *chunks, partial = await _value(sequencer(partial, chunk))
            for item in chunks:
                await derived._pyfca.write(item)
        if partial:
            await derived._pyfca.write(partial)
        derived._pyfca.end()

    derived._task = asyncio.create_task(consume())
    return derived


def _pipe(stream: Any, target: Any, end: bool = True) -> Any:  # noqa: FBT002 - the framework's signature
    """Forward all chunks from current stream into target."""
    stream._consumed = True
    stream._sinks.append(target)

    async def consume() -> None:
        async for chunk in Items(stream):
            await asyncio.gather(*[sink._pyfca.write(chunk) for sink in stream._sinks])
        if end is True:
            for sink in stream._sinks:
                sink._pyfca.end()

    if len(stream._sinks) == 1:
        stream._task = asyncio.create_task(consume(), name=f"{stream._uid}-pipe-consumer")
    return target


async def _to_list(stream: Any) -> list[Any]:
    """Create a list with all resulting stream chunks."""
    stream._mark_consumed()
    return [chunk async for chunk in Items(stream)]


async def _write_to(stream: Any, target: Any) -> Any:
    """Write all resulting stream chunks into target, an object with a method ``write``."""
    stream._mark_consumed()
    async for chunk in Items(stream):
        await _value(target.write(chunk))
    return target


async def _reduce(stream: Any, func: Callable[[Any, Any], Any], initial: Any = None) -> Any:
    """Apply two-argument func to elements from the stream cumulatively."""
    stream._mark_consumed()
    chunks = Items(stream)
    accumulator = await anext(chunks, None) if initial is None else initial
    async for chunk in chunks:
        accumulator = await _value(func(accumulator, chunk))
    return accumulator


async def _value(result: Any) -> Any:
    return await result if asyncio.iscoroutine(result) else result


class Items:
    """Iterates over a Stream. A step that is cancelled, by a timeout for example, takes no item.

    An async generator would have ended with the cancelled step.
    """

    __slots__ = ("_pipeline", "_ready", "_turn")

    def __init__(self, stream: Any) -> None:
        stream._uncork()
        self._pipeline: Pipeline = stream._pyfca
        self._ready = self._pipeline.ready
        self._turn = monotonic() + TURN

    @property
    def at_hand(self) -> bool:
        """Whether the next step has nothing to wait for."""
        return bool(self._ready)

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> Any:
        while self._ready and not self._pipeline.strict:
            if monotonic() < self._turn:
                return self._ready.popleft()
            await asyncio.sleep(0)
            self._turn = monotonic() + TURN
        if (chunk := await self._pipeline.take()) is END:
            raise StopAsyncIteration
        return chunk


def _items(stream: Any) -> Items:
    return Items(stream)


async def _next(stream: Any) -> Any:
    """The next chunk of a stream; a call that is cancelled takes none."""
    stream._uncork()
    if (chunk := await stream._pyfca.take()) is END:
        raise StopAsyncIteration
    return chunk


def install() -> None:
    """Make all Streams of this process run on Pipelines."""
    framework.Pyfca = Pipeline
    operators = (_map, _filter, _each, _flatmap, _batch, _window, _sequence, _pipe, _to_list, _write_to, _reduce)
    for operator in operators:
        setattr(framework.Stream, operator.__name__.removeprefix("_"), operator)
    for name in ("parse", "match", "split"):  # every Stream may carry text
        setattr(framework.Stream, name, vars(framework.StringStream)[name])
    framework.Stream.__class_getitem__ = classmethod(GenericAlias)  # annotations: Stream[str]
    framework.Stream.__aiter__ = _items
    framework.Stream.__anext__ = _next
    if not framework.DEBUG:  # its log() formats a message per chunk even when nothing is logged
        framework.tr = lambda *_: ""
