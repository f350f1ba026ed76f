"""Standard streams of a runner: the process's real descriptors are channels of the link.

So what ``print``, C libraries and child processes write is all seen, and a Hub that does not read slows them
down as any full pipe would.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

from scramjet.streams import StringStream

from transform_hub.runner.content import RAW


class Stdin(io.TextIOWrapper):
    """``sys.stdin`` of a Sequence: a file as everywhere, and a stream of lines as in STH's Python runner.

    ``input()``, ``readline()`` and ``for line in sys.stdin`` block; ``async for line in sys.stdin`` and the
    operators of Stream (``sys.stdin.map(...)``) do not.
    """

    async def __aiter__(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        while True:
            line: asyncio.Future[str] = loop.create_future()
            # A thread of its own: the loop's executor would be waited for at the end, however long a read takes.
            threading.Thread(target=self._read_into, args=(loop, line), daemon=True).start()
            if not await line:
                return
            yield line.result()

    def _read_into(self, loop: asyncio.AbstractEventLoop, line: asyncio.Future[str]) -> None:
        text = self.readline()
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(_resolve, line, text)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(StringStream, name):
            raise AttributeError(name)
        return getattr(StringStream.from_iterable(_Lines(self)), name)


def _resolve(line: asyncio.Future[str], text: str) -> None:
    if not line.done():
        line.set_result(text)


class _Lines:
    """Asynchronous lines only: a Stream made of a file would read it in the event loop."""

    def __init__(self, stdin: Stdin) -> None:
        self._stdin = stdin

    def __aiter__(self) -> AsyncIterator[str]:
        return self._stdin.__aiter__()


def attach(stdin: socket.socket, stdout: socket.socket, stderr: socket.socket) -> None:
    """Make three channels the descriptors 0, 1 and 2 of this process, and ``sys``'s files of them."""
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
    """Write out what is buffered: of ``print``, and of files that the Sequence has left open.

    At an end through ``os._exit`` nobody else does it.
    """
    buffered = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
    left_open = [file for file in gc.get_objects() if type(file) in buffered]
    for file in (sys.stdout, sys.stderr, *left_open):
        with contextlib.suppress(Exception):
            file.flush()
