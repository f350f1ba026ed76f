"""What the commands of ``si`` share: the Hub they talk to, and how answers are shown."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import typer

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient
    from transform_hub.client.reader import Reader

DEFAULT_URL = "http://127.0.0.1:8000/api/v1"

T = TypeVar("T")


@asynccontextmanager
async def host() -> AsyncIterator[HostClient]:
    """A client of the Hub that the environment names."""
    from transform_hub.client.host import HostClient  # noqa: PLC0415 - aiohttp is not needed for --help

    token = os.environ.get("SCRAMJET_TOKEN") or None
    async with HostClient(os.environ.get("SCRAMJET_HUB_URL") or DEFAULT_URL, token=token) as client:
        yield client


def with_host(action: Callable[[HostClient], Awaitable[T]]) -> T:
    """Run something with a client of the Hub."""

    async def run() -> T:
        async with host() as client:
            return await action(client)

    return asyncio.run(run())


def show(value: Any) -> None:
    """Print an answer as JSON."""
    text = msgspec.json.encode(value)
    typer.echo(msgspec.json.format(text, indent=2) if sys.stdout.isatty() else text)


def pour(reader: Callable[[HostClient], Reader]) -> None:
    """Write a stream to stdout as it comes, byte for byte."""

    async def run(client: HostClient) -> None:
        async for chunk in reader(client):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()

    async def until_nobody_reads(client: HostClient) -> None:
        pouring = asyncio.ensure_future(run(client))
        if stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
            # The one event of a pipe's writing end is that its reader has gone: a quiet stream must see it, too.
            asyncio.get_running_loop().add_reader(sys.stdout.fileno(), pouring.cancel)
        try:
            await pouring
        except asyncio.CancelledError:
            raise BrokenPipeError from None

    with_host(until_nobody_reads)


def source(file: Path | None) -> Any:
    """What to send: a file, or stdin if there is none or it is ``-``."""
    return sys.stdin.buffer if file is None or str(file) == "-" else file
