"""The standard streams of this process, read and written without blocking the event loop on a pipe or terminal.

Descriptors are polled where possible: a thread that waits for input can't be ended, and would keep the process alive.
They stay in blocking mode, since other processes share them: a writable pipe takes PIPE_BUF bytes without blocking.
"""

from __future__ import annotations

import asyncio
import os
import select
import stat
from collections.abc import AsyncGenerator, Callable

PIECE = 256 * 1024


async def read_stdin(fd: int = 0) -> AsyncGenerator[bytes, None]:
    """Chunks from stdin, as they come."""
    loop = asyncio.get_running_loop()
    pollable = _is_pollable(fd)
    while True:
        if pollable:
            await _ready(fd, loop.add_reader, loop.remove_reader)
        chunk = os.read(fd, PIECE)
        if not chunk:
            return
        yield chunk


async def write_stdout(data: bytes, fd: int = 1) -> None:
    """Write a chunk to stdout, and wait while its reader is slow.

    Raises:
        BrokenPipeError: the reader is gone.
    """
    view = memoryview(data)
    if not _is_pollable(fd):
        while view:
            view = view[os.write(fd, view) :]
        return
    loop = asyncio.get_running_loop()
    while view:
        if not select.select([], [fd], [], 0)[1]:
            await _ready(fd, loop.add_writer, loop.remove_writer)
        view = view[os.write(fd, view[: select.PIPE_BUF]) :]


async def reader_gone(fd: int = 1) -> None:
    """Return when stdout has lost its reader; never, if that can't be known."""
    loop = asyncio.get_running_loop()
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        await loop.create_future()
    # The writing end of a pipe becomes readable when its reader is gone, and never else.
    await _ready(fd, loop.add_reader, loop.remove_reader)


def _is_pollable(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


async def _ready(fd: int, add: Callable[..., object], remove: Callable[[int], object]) -> None:
    ready = asyncio.get_running_loop().create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    add(fd, tell)
    try:
        await ready
    finally:
        remove(fd)
