"""Copying streams of a Hub from and to standard streams and files."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from transform_hub.cli.connection import hub
from transform_hub.cli.progress import Progress, progress
from transform_hub.cli.settings import settings
from transform_hub.cli.stdio import read_stdin, reader_gone, write_stdout
from transform_hub.cli.visible import VisibleStream, visible

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

File = Annotated[Path | None, typer.Argument(metavar="FILE", help="File to send.  [default: stdin, as for -]")]

Tap = Annotated[bool, typer.Option("--tap", help="Read a copy from now on, which takes nothing from other readers.")]

T = TypeVar("T")
Opened = Callable[["HostClient"], Awaitable[AsyncIterable[Any]]]
"""Opens a stream of a Hub; its items are bytes, and gaps."""


def pour(opened: Opened) -> None:
    """Write a stream of the Hub to stdout as it comes, until it ends or stdout has lost its reader."""
    pour_from(hub, opened)


def pour_from(client: Callable[[], AbstractAsyncContextManager[T]], opened: Callable[[T], Awaitable[Any]]) -> None:
    """Write a stream to stdout; see :func:`pour`.

    Args:
        client: makes the client to use.
        opened: opens the stream.
    """

    async def copy() -> None:
        async with client() as asked:
            await _copy(await opened(asked))

    asyncio.run(while_read(copy()))


async def _copy(stream: AsyncIterable[Any]) -> None:
    received = 0

    def count(chunk: bytes) -> None:
        nonlocal received
        received += len(chunk)
        if report:
            report(received, None)

    # A terminal shows the bytes themselves.
    with progress("received", shown=not sys.stdout.isatty()) as report:
        await write_stream(stream, see=count)


async def write_stream(stream: AsyncIterable[Any], fd: int = 1, see: Callable[[bytes], object] | None = None) -> None:
    """Write a stream as it comes; on a terminal, control characters become visible unless --raw is given.

    Args:
        stream: bytes, and gaps, which are told on stderr.
        fd: of stdout or stderr.
        see: is called with each chunk after it is written.
    """
    screen = VisibleStream(sys.stdout.encoding) if os.isatty(fd) and not settings.raw else None
    async for chunk in stream:
        if not isinstance(chunk, bytes):
            print(visible(str(chunk)), file=sys.stderr)
            continue
        await write_stdout(screen.shown(chunk) if screen else chunk, fd)
        if see is not None:
            see(chunk)
    if screen:
        await write_stdout(screen.rest(), fd)


async def while_read(work: Awaitable[None]) -> None:
    """Run something for as long as stdout has a reader.

    Raises:
        BrokenPipeError: the reader is gone, even if there was nothing to write.
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
    """The data to send, from a file or stdin, and a callback for its progress.

    Raises:
        OSError: the file can't be read; this is found before a Hub is asked.
    """
    if file is None or str(file) == "-":
        with progress("sent", shown=not sys.stdin.isatty()) as report:
            yield read_stdin(), report
        return
    with file.open("rb"), progress(file.name) as report:
        yield file if file.is_file() else _special(file), report


async def _special(file: Path) -> AsyncGenerator[bytes, None]:
    """Chunks of a special file, e.g. a named pipe."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        async with aclosing(read_stdin(descriptor)) as chunks:
            async for chunk in chunks:
                yield chunk
    finally:
        os.close(descriptor)
