"""Standard streams of a runner: the process's real descriptors are channels of the link.

So output of ``print``, C libraries and child processes all arrives, and a Hub that does not read slows them down as any
full pipe would.
"""

from __future__ import annotations

import asyncio
import contextlib
import dis
import gc
import inspect
import io
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator
from types import FrameType
from typing import Any

from scramjet.streams import StringStream

from transform_hub.runner.content import RAW


class Stdin(io.TextIOWrapper):
    """``sys.stdin`` of a Sequence: a file as everywhere, and a stream of lines as in STH's Python runner.

    ``input()``, ``readline()``, ``read()`` and ``for line in sys.stdin`` block; ``async for line in sys.stdin``,
    ``await sys.stdin.read()`` and the operators of Stream (``sys.stdin.map(...)``) do not.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._taking = asyncio.Lock()
        self._line: asyncio.Future[str] | None = None

    def read(self, size: int | None = -1, /) -> Any:
        """The rest of the file; awaited as in STH, the next line, None at the end."""
        if size in (-1, None) and _is_awaited(sys._getframe(1)):
            return self._next()
        return super().read(size)

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._next()) is not None:
            yield line

    async def _next(self) -> str | None:
        async with self._taking:
            if self._line is None:
                loop = asyncio.get_running_loop()
                self._line = loop.create_future()
                # Its own thread, a daemon: a pool's threads are waited for at the end, however long a read takes.
                threading.Thread(target=self._read_into, args=(loop, self._line), daemon=True).start()
            line = await asyncio.shield(self._line)  # a read that is given up leaves its line to the next
            self._line = None
            return line or None

    def _read_into(self, loop: asyncio.AbstractEventLoop, line: asyncio.Future[str]) -> None:
        try:
            resolve, result = line.set_result, self.readline()
        except Exception as error:  # noqa: BLE001 - e.g. the Sequence has closed the file
            resolve, result = line.set_exception, error  # type: ignore[assignment]
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(resolve, result)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(StringStream, name):
            raise AttributeError(name)
        return getattr(StringStream.from_iterable(_Lines(self)), name)


def _is_awaited(caller: FrameType) -> bool:
    """Whether the call that this frame is making has an ``await`` before it."""
    if not caller.f_code.co_flags & (inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return False
    following = (step.opname for step in dis.get_instructions(caller.f_code) if step.offset > caller.f_lasti)
    return next(following, "") == "GET_AWAITABLE"


class _Lines:
    """Only asynchronous iteration: a Stream made of the file would read it in the event loop."""

    def __init__(self, stdin: Stdin) -> None:
        self._stdin = stdin

    def __aiter__(self) -> AsyncIterator[str]:
        return self._stdin.__aiter__()


def attach(stdin: socket.socket, stdout: socket.socket, stderr: socket.socket) -> None:
    """Make three channels the descriptors 0, 1 and 2 of this process, and the files of ``sys``."""
    for descriptor, channel in enumerate((stdin, stdout, stderr)):
        os.dup2(channel.fileno(), descriptor)
    stdin.close()
    sys.stdin = Stdin(open(0, "rb", closefd=False), encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
    sys.stdout = _text(1, RAW)
    sys.stderr = _text(2, "backslashreplace")
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]


def _text(descriptor: int, errors: str) -> io.TextIOWrapper:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors=errors, closefd=False)


def flush() -> None:
    """Write out what ``print`` and files that the Sequence left open have buffered: ``os._exit`` does not."""
    buffered = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
    left_open = [file for file in gc.get_objects() if type(file) in buffered]
    for file in (sys.stdout, sys.stderr, *left_open):
        with contextlib.suppress(Exception):
            file.flush()
