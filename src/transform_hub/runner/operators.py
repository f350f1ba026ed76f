"""Puts the framework's Streams on Pipelines: operators and iteration.

The framework's operators wrap each function in a coroutine; these call it, and await only what is a coroutine. They
rest on private names of scramjet-framework-py (``Pyfca``, ``_pyfca``, ``_uncork``, ``_mark_consumed``): its version
is pinned to a range, and ``tests/runner/test_framework.py`` has a test for each name.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from time import monotonic
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
        async for chunk in _iterate(stream):
            for item in await _value(func(chunk, *args)):
                await derived._pyfca.write(item)
        derived._pyfca.end()

    derived._task = asyncio.create_task(consume(), name="flatmap-consumer")
    return derived


def _batch(stream: Any, func: Callable[..., Any], *args: Any) -> Any:
    """Convert a stream of chunks into a stream of lists of chunks; func is true for the last of a list."""
    derived = _begin(stream, "b")

    async def consume() -> None:
        batch = []
        async for chunk in _iterate(stream):
            batch.append(chunk)
            if func(chunk, *args):
                await derived._pyfca.write(batch)
                batch = []
        if batch:
            await derived._pyfca.write(batch)
        derived._pyfca.end()

    derived._task = asyncio.create_task(consume())
    return derived


def _sequence(stream: Any, sequencer: Callable[[Any, Any], Any], initialPartial: Any = None) -> Any:  # noqa: N803
    """Change how the data is chopped into chunks: the last item of what sequencer gives goes to its next call."""
    derived = _begin(stream, "s")

    async def consume() -> None:
        partial = initialPartial
        async for chunk in _iterate(stream):
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
        async for chunk in _iterate(stream):
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
    return [chunk async for chunk in _iterate(stream)]


async def _write_to(stream: Any, target: Any) -> Any:
    """Write all resulting stream chunks into target, an object with a method ``write``."""
    stream._mark_consumed()
    async for chunk in _iterate(stream):
        await _value(target.write(chunk))
    return target


async def _reduce(stream: Any, func: Callable[[Any, Any], Any], initial: Any = None) -> Any:
    """Apply two-argument func to elements from the stream cumulatively."""
    stream._mark_consumed()
    chunks = _iterate(stream)
    accumulator = await anext(chunks, None) if initial is None else initial
    async for chunk in chunks:
        accumulator = await _value(func(accumulator, chunk))
    return accumulator


async def _value(result: Any) -> Any:
    return await result if asyncio.iscoroutine(result) else result


async def _iterate(stream: Any) -> AsyncIterator[Any]:
    stream._uncork()
    pipeline: Any = stream._pyfca
    ready = pipeline.ready
    turn = monotonic() + TURN
    while True:
        if not ready or pipeline.strict:
            if (chunk := await pipeline.take()) is END:
                return
        elif monotonic() < turn:
            chunk = ready.popleft()
        else:
            await asyncio.sleep(0)
            turn = monotonic() + TURN
            continue
        yield chunk


def install() -> None:
    """Make all Streams of this process run on Pipelines."""
    framework.Pyfca = Pipeline
    operators = (_map, _filter, _each, _flatmap, _batch, _sequence, _pipe, _to_list, _write_to, _reduce)
    for operator in operators:
        setattr(framework.Stream, operator.__name__.removeprefix("_"), operator)
    framework.Stream.__aiter__ = _iterate
    if not framework.DEBUG:  # its log() formats a message per chunk even when nothing is logged
        framework.tr = lambda *_: ""
