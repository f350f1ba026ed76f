"""``si util``: tools for pipes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from transform_hub.cli.command import App
from transform_hub.cli.log_lines import readable
from transform_hub.cli.settings import settings

app = App(help="Tools for pipes.")


@app.callback()
def util() -> None:
    pass


@app.command("log-format|lf")
def log_format(
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours.")] = False,
) -> None:
    """Format a log for people: JSON lines from stdin become text on stdout."""
    color = not no_color and settings.color is not False
    for line in sys.stdin.buffer:
        print(readable(line.decode(errors="replace").rstrip("\n"), color=color), flush=True)
