"""Streams of a Hub from and to the standard streams and files of this process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli.connection import with_hub
from transform_hub.cli.progress import Progress, progress
from transform_hub.cli.stdio import read_stdin, reader_gone, write_stdout

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

File = Annotated[Path | None, typer.Argument(metavar="FILE", help="What to send; stdin without one, or with -.")]

Opened = Callable[["HostClient"], Awaitable[AsyncIterable[Any]]]
"""Opens a stream of a Hub, whose items are bytes, or places where bytes may be missing."""


def pour(opened: Opened) -> None:
    """Write a stream to stdout as it comes, byte for byte, until it ends or nobody reads it."""

    async def copy(host: HostClient) -> None:
        received = 0
        # On a terminal the bytes themselves are what is seen.
        with progress("received", shown=not sys.stdout.isatty()) as told:
            async for chunk in await opened(host):
                await write_stdout(chunk) if isinstance(chunk, bytes) else print(chunk, file=sys.stderr)
                if told:
                    received += len(chunk)
                    told(received, None)

    with_hub(lambda host: while_read(copy(host)))


async def while_read(work: Awaitable[None]) -> None:
    """Do something for whoever reads stdout.

    Raises:
        BrokenPipeError: nobody does any more, even if there was nothing to write.
    """
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(reader_gone())
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise BrokenPipeError
        working.result()
    finally:
        for task in (working, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


@contextmanager
def sending(file: Path | None) -> Iterator[tuple[Path | AsyncIterable[bytes], Progress | None]]:
    """What is to be sent, and what to tell of it: a file, or stdin if there is none or it is ``-``.

    Raises:
        OSError: the file can't be read; nothing was asked of a Hub then.
    """
    if file is None or str(file) == "-":
        with progress("sent", shown=not sys.stdin.isatty()) as told:
            yield read_stdin(), told
        return
    with file.open("rb"), progress(file.name) as told:
        yield file if file.is_file() else _special(file), told


async def _special(file: Path) -> AsyncGenerator[bytes, None]:
    """Chunks of what is no plain file, e.g. a named pipe."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        async with aclosing(read_stdin(descriptor)) as chunks:
            async for chunk in chunks:
                yield chunk
    finally:
        os.close(descriptor)
