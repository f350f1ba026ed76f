"""A command with so many options that its help shows them in panels, and whose errors say where a value came from."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand

LONGEST = 60
"""Columns that the names of an option may take in the help."""


class PanelCommand(TyperCommand):
    """Options stand under the ``rich_help_panel`` that each is declared with, in plain text.

    The panels that typer draws itself cut the names of options off in 80 columns.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                panels.setdefault(getattr(param, "rich_help_panel", None) or "Options", []).append(_fitted(*record))
        for name, records in panels.items():
            with formatter.section(name):
                formatter.write_dl(records)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if error.param is not None and error.param_hint is None:
                error.param_hint = _source(ctx, error.param)
            raise


def _fitted(names: str, text: str) -> tuple[str, str]:
    first, _, others = names.partition(", ")
    return (names, text) if len(names) <= LONGEST else (first, f"{text} Likewise {others}.")


def _source(context: Any, param: Any) -> str | None:
    """The variable or the file that has the value, if it was no option."""
    source = context.get_parameter_source(param.name)
    if source is None or source.name not in ("ENVIRONMENT", "DEFAULT_MAP"):
        return None
    if source.name == "ENVIRONMENT":
        return f"{context.auto_envvar_prefix}_{param.name.upper()}"
    return f"{param.opts[-1]} in {context.params['config']}"
