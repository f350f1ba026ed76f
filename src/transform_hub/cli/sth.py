"""``sth``: run a Transform Hub, with the options that STH has."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer

from transform_hub.errors import HubStartError
from transform_hub.hub.config import LOG_LEVELS

DATA_DIR = platformdirs.user_data_path("scramjet-transform-hub")

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.command()
def sth(
    port: Annotated[int, typer.Option("-P", "--port", help="Port of the API; 0 takes a free one.")] = 8000,
    hostname: Annotated[str, typer.Option("-H", "--hostname", help="Address to listen on.")] = "127.0.0.1",
    sequences_root: Annotated[Path, typer.Option("-D", "--sequences-root", help="Where Sequences are kept.")] = DATA_DIR
    / "sequences",
    hub_id: Annotated[str, typer.Option("-I", "--id", help="Id of this Hub.")] = "STH",
    log_level: Annotated[str, typer.Option("-L", "--log-level", help=", ".join(LOG_LEVELS) + ".")] = "info",
    identify_existing: Annotated[
        bool, typer.Option("-E", "--identify-existing", help="Accepted for STH's sake: always on.")
    ] = True,
    instance_lifetime_extension_delay: Annotated[
        int, typer.Option(help="Milliseconds that an ended Instance and its unread output are kept.")
    ] = 180_000,
    runner_envs: Annotated[str, typer.Option(help='Variables for Sequences: "A=1;B=2".')] = "",
    description: Annotated[str, typer.Option(help="Shown in the configuration.")] = "",
    custom_name: Annotated[str, typer.Option(help="Shown in the configuration.")] = "",
    tags: Annotated[str, typer.Option(help='Shown in the configuration: "a,b".')] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token that clients must send.", envvar="STH_TOKEN_FILE"),
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Listen beyond loopback without a token.")] = False,
    zygote: Annotated[bool, typer.Option(help="Fork runners from a warmed-up process.")] = True,
    runtime_adapter: Annotated[str, typer.Option(help="Where runners live: process, or detect.")] = "process",
    no_docker: Annotated[bool, typer.Option("--no-docker", hidden=True)] = False,
    no_telemetry: Annotated[bool, typer.Option("--no-telemetry", hidden=True)] = False,
    no_colors: Annotated[bool, typer.Option("--no-colors", hidden=True)] = False,
) -> None:
    """Run a Transform Hub until Ctrl-C or SIGTERM.

    A token for clients is taken from the environment (STH_TOKEN) or a file, never from the command line.
    """
    settings: dict[str, Any] = {
        "host": hostname,
        "port": port,
        "data_dir": DATA_DIR,
        "sequences_root": sequences_root,
        "hub_id": hub_id,
        "log_level": log_level,
        "retention_ms": instance_lifetime_extension_delay,
        "runner_envs": _pairs(runner_envs),
        "description": description,
        "custom_name": custom_name,
        "tags": tuple(tag for tag in tags.split(",") if tag),
        "token": _token(token_file),
        "insecure": insecure,
        "zygote": zygote,
    }
    # Accepted because scripts for STH say them: here they are always so.
    del identify_existing, no_docker, no_telemetry, no_colors
    if runtime_adapter not in ("process", "detect"):
        raise typer.BadParameter("this Hub runs Sequences as processes only", param_hint="--runtime-adapter")
    _log_to_stderr(log_level)
    try:
        _run(_serve(settings))
    except HubStartError as error:
        typer.echo(f"sth: {error}", err=True)
        raise typer.Exit(1) from None


async def _serve(settings: dict[str, Any]) -> None:
    from transform_hub.hub.server import serve  # noqa: PLC0415 - aiohttp is not needed for --help

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_, stop.set)
    async with serve(**settings) as hub:
        typer.echo(f"API on {hub.url.removesuffix('/api/v1')}")  # scripts look for these two lines
        typer.echo("Running!")
        sys.stdout.flush()
        await stop.wait()
        typer.echo("Stopping", err=True)
        for signal_ in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C does not wait
            loop.remove_signal_handler(signal_)


def _run(main: Coroutine[Any, Any, None]) -> None:
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def _pairs(text: str) -> dict[str, str]:
    pairs = {}
    for pair in filter(None, text.split(";")):
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{pair!r} is not NAME=value", param_hint="--runner-envs")
        pairs[name] = value
    return pairs


def _token(file: Path | None) -> str | None:
    if file is not None:
        try:
            token = file.read_text().strip()
        except OSError as error:
            raise typer.BadParameter(f"{file}: {error.strerror}", param_hint="--token-file") from None
        if not token:
            raise typer.BadParameter(f"{file} is empty", param_hint="--token-file")
        return token
    return os.environ.get("STH_TOKEN") or None


def _log_to_stderr(level: str) -> None:
    names: dict[str, int | str] = {"trace": 1, "fatal": "CRITICAL"}
    with contextlib.suppress(ValueError):  # the Hub refuses a level that does not exist
        logging.basicConfig(
            level=names.get(level.lower()) or level.upper(),
            format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
            stream=sys.stderr,
        )


def main() -> None:
    """Entry point of ``sth``."""
    with contextlib.suppress(KeyboardInterrupt):
        app()
