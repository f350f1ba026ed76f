"""Puts the framework's Streams on Pipelines: operators and iteration.

The framework's operators wrap each function in a coroutine; these call it, and await only what is a coroutine. They
rest on private names of scramjet-framework-py (``Pyfca``, ``_pyfca``, ``_uncork``, ``_mark_consumed``): its version
is pinned to a range, and ``tests/runner/test_framework.py`` has a test for each name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from time import monotonic
from typing import Any

from scramjet import streams as framework
from scramjet.pyfca import DropChunk

from transform_hub.runner.pipeline import NO_COROUTINES, TURN, Pipeline, Step


def _map(stream: Any, func: Callable[..., Any], *args: Any) -> Any:
    """Transform each chunk using a function."""
    return _derive(stream, (lambda chunk: func(chunk, *args)) if args else func, "m")


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


async def _iterate(stream: Any) -> AsyncIterator[Any]:
    stream._uncork()
    pipeline: Any = stream._pyfca
    ready = pipeline.ready
    turn = monotonic() + TURN
    while True:
        if not ready or pipeline.strict:
            chunk = await pipeline.read()
        elif monotonic() < turn:
            chunk = ready.popleft()
        else:
            await asyncio.sleep(0)
            turn = monotonic() + TURN
            continue
        if chunk is None:
            return
        yield chunk


def install() -> None:
    """Make all Streams of this process run on Pipelines."""
    framework.Pyfca = Pipeline
    framework.Stream.map = _map
    framework.Stream.filter = _filter
    framework.Stream.each = _each
    framework.Stream.__aiter__ = _iterate
    if not framework.DEBUG:  # its log() formats a message per chunk even when nothing is logged
        framework.tr = lambda *_: ""
