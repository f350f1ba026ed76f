"""Streams of a test: in a runner an operator that fails ends the Instance, here it has to fail whoever reads."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, TypeVar
from weakref import WeakSet

from scramjet import streams as framework

from transform_hub.runner import stream_tasks
from transform_hub.runner.pipeline import Pipeline
from transform_hub.runner.stream import Input

T = TypeVar("T")


def input_of(*items: T) -> Input[T]:
    r"""An input for ``run`` with these items, in an async test: lines with their newline, chunks of bytes, or values.

    ``Input.read_from(iterable)`` makes one of any iterable.

    Example:
        >>> output = [item async for item in run(FakeContext(), input_of("one\n", "two\n"))]
    """
    let_readers_fail()
    return Input.read_from(items)


def let_readers_fail() -> None:
    """From now on a failure of a stream of the running event loop reaches those that read its streams."""
    framework.Pyfca = _Pipeline
    loop = asyncio.get_running_loop()
    stream_tasks.watch(loop, lambda error: _fail(loop, error))


class _Pipeline(Pipeline):
    made: ClassVar[WeakSet[_Pipeline]] = WeakSet()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.failure: BaseException | None = None
        self.made.add(self)

    async def take(self) -> Any:
        if self.failure is not None and not self.ready:
            raise self.failure
        return await super().take()

    def fail(self, error: BaseException) -> None:
        self.failure = error
        for reader in self._readers:
            if not reader.done():
                reader.set_exception(error)
        self._readers.clear()


def _fail(loop: asyncio.AbstractEventLoop, error: BaseException) -> None:
    for pipeline in list(_Pipeline.made):
        if pipeline._loop is loop:  # noqa: SLF001 - of its own base class
            pipeline.fail(error)
