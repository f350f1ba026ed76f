"""Streams of a Hub from and to the standard streams and files of this process."""

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
from transform_hub.cli.stdio import read_stdin, reader_gone, write_stdout

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

File = Annotated[Path | None, typer.Argument(metavar="FILE", help="What to send; stdin without one, or with -.")]

T = TypeVar("T")
Opened = Callable[["HostClient"], Awaitable[AsyncIterable[Any]]]
"""Opens a stream of a Hub, whose items are bytes, or places where bytes may be missing."""


def pour(opened: Opened) -> None:
    """Write a stream of the Hub to stdout as it comes, byte for byte, until it ends or nobody reads it."""
    pour_from(hub, opened)


def pour_from(client: Callable[[], AbstractAsyncContextManager[T]], opened: Callable[[T], Awaitable[Any]]) -> None:
    """Write a stream to stdout; see :func:`pour`.

    Args:
        client: makes the client that is asked.
        opened: opens the stream.
    """

    async def copy() -> None:
        async with client() as asked:
            await _copy(await opened(asked))

    asyncio.run(while_read(copy()))


async def _copy(stream: AsyncIterable[Any]) -> None:
    received = 0
    # On a terminal the bytes themselves are what is seen.
    with progress("received", shown=not sys.stdout.isatty()) as told:
        async for chunk in stream:
            if not isinstance(chunk, bytes):
                print(chunk, file=sys.stderr)
                continue
            await write_stdout(chunk)
            if told:
                received += len(chunk)
                told(received, None)


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
