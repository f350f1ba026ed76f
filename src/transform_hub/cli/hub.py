"""``si hub``: the Hub itself."""

from __future__ import annotations

import typer

from transform_hub.cli.session import pour, show, with_host

app = typer.Typer(no_args_is_help=True, help="The Hub itself.")


@app.command()
def version() -> None:
    """Show which API the Hub serves."""
    show(with_host(lambda host: host.get_version()))


@app.command()
def load() -> None:
    """Show load, memory and disks of the Hub's machine."""
    show(with_host(lambda host: host.get_load_check()))


@app.command()
def logs() -> None:
    """Follow the Hub's log."""
    pour(lambda host: host.get_log())
