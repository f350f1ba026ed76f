"""Watches the tasks that Streams run themselves.

Without this, a ``map`` whose function raises leaves its stream waiting for ever: nobody looks at the task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import scramjet

from transform_hub.runner import operators, pipeline

_COROUTINES = {
    (str(Path(scramjet.__file__).with_name("streams.py")), "consume"),
    (operators.__file__, "consume"),
    (pipeline.__file__, "_process"),
}
"""File and name of each coroutine that becomes such a task."""


def watch(loop: asyncio.AbstractEventLoop, on_failure: Callable[[BaseException], None]) -> None:
    """Call ``on_failure`` with the exception of each such task of the loop that fails."""

    def check(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()):
            on_failure(error)

    def make(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> Any:
        task = asyncio.Task(coroutine, loop=loop, **options)
        code = getattr(coroutine, "cr_code", None)
        if code is not None and (code.co_filename, code.co_name) in _COROUTINES:
            task.add_done_callback(check)
        return task

    loop.set_task_factory(make)  # type: ignore[arg-type] # typeshed's protocol differs per version
