"""``si run``: run a Sequence on the Hub as if it were a program on this machine.

    stdin ──> input ─ Instance ─ output ──> stdout
                               ├ stdout ──┐
                               └ stderr ──┴> stderr

    a line typed at a debugger's prompt goes to the Instance's stdin: see run_input.py

    first Ctrl-C or SIGTERM    stop, which the Instance can handle      exit code 130, or 143
    second                     kill

It ends with the Instance, even if stdin never does.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transform_hub.cli.command import App
from transform_hub.cli.connection import with_hub
from transform_hub.cli.exits import ERROR, CommandError
from transform_hub.cli.output import note
from transform_hub.cli.run_input import Debugger, Stdin, type_in
from transform_hub.cli.secret_options import Env, EnvFile, HubSecret, Secret
from transform_hub.cli.sending import (
    Dependencies,
    Python,
    Source,
    package_of,
    packing_again,
    send_package,
    start_instance,
)
from transform_hub.cli.start_options import Args, ConfigFile, ConfigString, start_options
from transform_hub.cli.stdio import reader_gone
from transform_hub.cli.streams import write_stream
from transform_hub.cli.visible import visible
from transform_hub.cli.watching import changed, look
from transform_hub.errors import (
    HubError,
    HubResponseError,
    InstanceGoneError,
    MethodNotAllowedError,
    NotFoundError,
    PackageError,
    StreamError,
)

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient
    from transform_hub.client.instance import InstanceClient

app = App(help="")

_BY_SIGNAL = (128 + signal.SIGINT, 128 + signal.SIGTERM)


@app.command("run")
def run(
    source: Source,
    args: Args = None,
    config_file: ConfigFile = None,
    config_string: ConfigString = None,
    content_type: Annotated[str, typer.Option("-t", "--content-type", help="Content type of stdin.")] = "text/plain",
    stop_timeout: Annotated[int, typer.Option(help="Milliseconds to stop in after Ctrl-C.")] = 7000,
    env: Env = None,
    env_file: EnvFile = None,
    secret: Secret = None,
    hub_secret: HubSecret = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the Sequence on the Hub.")] = False,
    deps: Dependencies = True,
    python: Python = None,
    watch: Annotated[bool, typer.Option("--watch", help="Run again whenever a file in the folder is saved.")] = False,
) -> None:
    """Run a Sequence as a program: stdin is its input, its output goes to stdout.

    What it prints goes to stderr. Ctrl-C stops it, a second Ctrl-C kills it. The exit code is that of the Instance:
    22 if the Sequence can't be loaded, 23 if it fails. The Sequence is deleted afterwards.
    At a terminal `breakpoint()` opens a debugger.
    """
    options = start_options(
        args=args,
        config_file=config_file,
        config_string=config_string,
        env=env,
        env_file=env_file,
        secret=secret,
        hub_secret=hub_secret,
    )
    stdin = Stdin(again=watch)

    async def go(host: HostClient, package: Path, change: asyncio.Future[None] | None = None) -> int:
        sequence = await send_package(host, package, remember=keep)
        try:
            instance = await start_instance(sequence, options, remember=keep)
            return await _Run(instance, stdin, content_type, stop_timeout).result(change)
        finally:
            if not keep:
                with suppress(HubError):
                    await sequence.delete(force=True)

    if watch:
        with packing_again(source, deps=deps, python=python) as repack:
            raise typer.Exit(with_hub(lambda host: _run_again(partial(go, host), source, repack)))
    with package_of(source, deps=deps, python=python) as package:
        code = with_hub(lambda host: go(host, package))
    raise typer.Exit(code)


async def _run_again(go: Callable[..., Awaitable[int]], folder: Path, repack: Callable[[], Path]) -> int:
    """Run the Sequence, and again after each change of its folder, until a signal comes."""
    while True:
        seen = look(folder)
        change = asyncio.ensure_future(changed(folder, seen))
        try:
            code = await go(await asyncio.to_thread(repack), change)
            if code in _BY_SIGNAL:
                return code
            if not change.done():
                note(f"Ended with exit code {code}; it runs again when a file is saved, Ctrl-C ends this")
        except (CommandError, PackageError, HubResponseError) as error:
            note(f"{error}; it runs again when a file is saved, Ctrl-C ends this")
        await change
        note(f"{folder} has changed")


class _Run:
    """One Instance, its streams connected to those of this process."""

    def __init__(self, instance: InstanceClient, stdin: Stdin, content_type: str, stop_timeout: int) -> None:
        self._instance = instance
        self._stdin = stdin
        self._debugger = Debugger()
        self._content_type = content_type
        self._stop_timeout = stop_timeout / 1000
        self._signals: list[int] = []
        self._ending: set[asyncio.Future[Any]] = set()

    async def result(self, change: asyncio.Future[None] | None = None) -> int:
        """Wait for the end, or stop the Instance at a change; the exit code.

        Raises:
            BrokenPipeError: stdout has lost its reader; the Instance was stopped.
        """
        feeding = asyncio.ensure_future(self._feed())
        gone = asyncio.ensure_future(reader_gone())
        streams: asyncio.Future[Any] = asyncio.gather(
            write_stream(self._instance.get_output()),
            write_stream(self._instance.get_stdout(), 2, self._debugger.see),
            write_stream(self._instance.get_stderr(), 2),
        )
        try:
            with self._handling_signals():
                either: set[asyncio.Future[Any]] = {streams, gone, *([change] if change else ())}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if not streams.done():
                    with suppress(InstanceGoneError, NotFoundError):  # it may just have ended
                        await self._instance.stop(self._stop_timeout)
                    if gone.done():
                        raise BrokenPipeError
                await streams
                return await self._exit_code()
        finally:
            for task in (feeding, gone, streams):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task

    async def _feed(self) -> None:
        # The Instance may end before all of stdin is read, or take its input from a topic.
        with suppress(MethodNotAllowedError, StreamError, NotFoundError):
            await type_in(self._stdin, self._instance, self._content_type, self._debugger)

    @contextmanager
    def _handling_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt, number)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _interrupt(self, number: int) -> None:
        self._signals.append(number)
        end: Awaitable[Any] = (
            self._instance.kill() if len(self._signals) > 1 else self._instance.stop(self._stop_timeout)
        )
        task = asyncio.ensure_future(end)
        self._ending.add(task)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _exit_code(self) -> int:
        try:
            end = await self._instance.wait()
        except (InstanceGoneError, NotFoundError):
            end = None
        if self._signals:
            return 128 + self._signals[0]
        if end is None:
            return ERROR
        # On STH a JavaScript Instance that completed has exit code -1.
        code = max(end.exitcode, 0) % 256
        if code:
            note(visible(end.reason))
        return code
