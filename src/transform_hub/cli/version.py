"""The option ``--version``."""

from __future__ import annotations

from typing import Annotated

import typer


def _print(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(version("scramjet-api-client"))
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "-v", "--version", help="Show the version.", callback=_print, is_eager=True,
        allow_from_autoenv=False, show_envvar=False,
    ),
]  # fmt: skip
