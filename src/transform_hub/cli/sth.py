"""``sth``: run a Transform Hub, with the options that STH has.

Each setting can be given in four ways, of which the later one counts: the default, the configuration file
(``--config``), the environment (``STH_`` and the name of the option), the option itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from transform_hub.cli import sth_compat
from transform_hub.cli.descriptors import open_standard
from transform_hub.cli.panels import PanelCommand
from transform_hub.cli.sth_options import options_of, settings_options, with_options
from transform_hub.cli.version import Version
from transform_hub.errors import HubStartError
from transform_hub.hub.access.auth import Token, parse_tokens
from transform_hub.hub.config import DaemonConfig
from transform_hub.hub.observability.log_format import hold_log, write_log
from transform_hub.hub.setting import configure
from transform_hub.hub.setup.config_file import read_settings

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "STH", "max_content_width": 100},
)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except HubStartError as error:
        typer.echo(f"sth: {error}", err=True)
        raise typer.Exit(1) from None


def _from_file(context: typer.Context, path: Path | None) -> Path | None:
    hold_log()
    if path is not None:
        with _refusals():
            context.default_map = read_settings(path)
    return path


@app.command(cls=PanelCommand)
@with_options([*settings_options(), *options_of(sth_compat.check)])
def sth(
    config: Annotated[
        Path | None,
        typer.Option(
            "-c", "--config", help="JSON or YAML file with settings.", callback=_from_file, is_eager=True,
            show_envvar=False,
        ),
    ] = None,
    version: Version = False,
    **given: Any,
) -> None:  # fmt: skip
    """Run a Transform Hub until Ctrl-C or SIGTERM.

    A setting is taken from its option, else from the environment (STH_PORT for --port, and so on), else from the
    file of --config, else it has its default. The tokens of clients are taken from the environment (STH_TOKEN) or a
    file, never from the command line.
    """
    del config, version
    _set_log_level(given["log_level"])
    write_log(given["log_format"])
    sth_compat.check(**{each.name: given[each.name] for each in options_of(sth_compat.check)})
    settings = _configured(given)
    from transform_hub.hub.setup.daemon import run

    with _refusals():
        code = _run(run(settings))
    raise typer.Exit(code)


def _configured(given: dict[str, Any]) -> DaemonConfig:
    tokens = _tokens()
    if tokens and given["token_file"] is not None:
        raise typer.BadParameter("give the tokens in a file or in STH_TOKEN, not in both", param_hint="--token-file")
    try:
        return configure(DaemonConfig, given, tokens=tokens)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _tokens() -> tuple[Token, ...]:
    """Those in the environment, from which they are taken away: what is started from here has no use for them."""
    text = os.environ.pop("STH_TOKEN", "")
    with _refusals():
        return parse_tokens(text, "STH_TOKEN") if text else ()


def _set_log_level(level: str) -> None:
    names: dict[str, int | str] = {"trace": 1, "fatal": "CRITICAL"}
    with contextlib.suppress(ValueError):  # the Hub refuses a level that does not exist
        logging.getLogger().setLevel(names.get(level.lower()) or level.upper())


def _run(main: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def main() -> None:
    """Entry point of ``sth``."""
    open_standard()
    with contextlib.suppress(KeyboardInterrupt):
        app(prog_name="sth")


if __name__ == "__main__":
    main()
