"""The streams of an Instance: ``si instance input``, ``output``, ``inout``, ``stdio``, ``stdin``, ``log``, ..."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli.command import App
from transform_hub.cli.completers import complete_instance
from transform_hub.cli.connection import with_hub
from transform_hub.cli.exits import USAGE, CommandError
from transform_hub.cli.log_lines import Follow, Since, pour_log
from transform_hub.cli.names import find_instance
from transform_hub.cli.stdio import read_stdin
from transform_hub.cli.streams import File, Tap, pour, sending, while_read, write_stream

if TYPE_CHECKING:
    from transform_hub.client.duplex import Duplex
    from transform_hub.client.host import HostClient
    from transform_hub.client.instance import InstanceClient

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Id, start of an id, name of its Sequence, or - for the last one.",
        autocompletion=complete_instance,
    ),
]
ContentType = Annotated[str, typer.Option("-t", "--content-type", help="Content type of the data.")]
End = Annotated[bool, typer.Option("-e", "--end", help="End the input afterwards.")]


def add_to(app: App) -> None:
    """Register these commands with their group."""
    for name, command in (
        ("input", input_),
        ("output", output),
        ("inout", inout),
        ("stdio|attach", stdio),
        ("stdin", stdin),
        ("stdout", stdout),
        ("stderr", stderr),
        ("log", log),
    ):
        app.command(name)(command)


def input_(id: Id, file: File = None, content_type: ContentType = "text/plain", end: End = False) -> None:
    """Send a file or stdin to the input of an Instance."""
    with sending(file) as (data, report):

        async def send(host: HostClient) -> None:
            instance = await find_instance(host, id)
            await instance.send_input(data, content_type=content_type, end=end, progress=report)

        with_hub(send)


def output(id: Id, follow: Follow = False, tap: Tap = False) -> None:
    """Write the output of an Instance to stdout, as it comes."""
    _pour(id, "output", follow=follow, tap=tap)


def inout(id: Id, file: File = None, content_type: ContentType = "text/plain", end: End = False) -> None:
    """Send a file or stdin to the input, and write the output to stdout at the same time."""
    with sending(file) as (data, _):

        async def exchange(host: HostClient) -> None:
            instance = await find_instance(host, id)
            async with instance.inout(content_type, end=end) as both:
                await while_read(_exchange(both, _chunks(data)))

        with_hub(exchange)


def stdio(id: Id) -> None:
    """Attach the terminal to an Instance: send it stdin, show its stdout and stderr."""

    async def attach(host: HostClient) -> None:
        instance = await find_instance(host, id)
        feeding = asyncio.ensure_future(instance.send_stdin(read_stdin()))
        try:
            outputs = (write_stream(instance.get_stdout()), write_stream(instance.get_stderr(), 2))
            await while_read(_all(asyncio.gather(*outputs)))
        finally:
            feeding.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await feeding

    with_hub(attach)


def stdin(id: Id, file: File = None) -> None:
    """Send a file or stdin to the standard input of an Instance."""
    with sending(file) as (data, report):

        async def send(host: HostClient) -> None:
            await (await find_instance(host, id)).send_stdin(data, progress=report)

        with_hub(send)


def stdout(id: Id, follow: Follow = False, tap: Tap = False) -> None:
    """Write the standard output of an Instance to stdout, as it comes."""
    _pour(id, "stdout", follow=follow, tap=tap)


def stderr(id: Id, follow: Follow = False, tap: Tap = False) -> None:
    """Write the standard error of an Instance to stdout, as it comes."""
    _pour(id, "stderr", follow=follow, tap=tap)


def log(id: Id, follow: Follow = False, since: Since = None) -> None:
    """Write the log of an Instance to stdout, as it comes, until the Instance ends."""

    async def opened(host: HostClient) -> Any:
        instance = await find_instance(host, id)
        return await (instance.get_log(follow=True) if follow else instance.get_log())

    pour_log(opened, since)


def _pour(id: str, stream: str, *, follow: bool, tap: bool) -> None:
    if follow and tap:
        raise CommandError("use either --follow or --tap: a tap reconnects by itself", code=USAGE)

    async def opened(host: HostClient) -> AsyncIterable[Any]:
        instance: InstanceClient = await find_instance(host, id)
        reader: AsyncIterable[Any] = await getattr(instance, f"get_{stream}")(follow=follow, tap=tap)
        return reader

    pour(opened)


async def _exchange(both: Duplex, data: AsyncGenerator[bytes, None]) -> None:
    async def feed() -> None:
        async with aclosing(data):
            async for chunk in data:
                await both.write(chunk)
        await both.close_input()

    feeding = asyncio.ensure_future(feed())
    try:
        await write_stream(both)
    finally:
        feeding.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await feeding


async def _all(work: Any) -> None:
    await work


async def _chunks(data: Path | AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    if not isinstance(data, Path):
        async for chunk in data:
            yield chunk
        return
    with data.open("rb") as file:
        while chunk := file.read(256 * 1024):
            yield chunk
