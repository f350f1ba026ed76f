"""The forms of answers.

json      one line of JSON: the default in a pipe
pretty    tables and indented JSON for people: the default on a terminal
--quiet   ids only, one per line
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from transform_hub.cli.settings import settings
from transform_hub.cli.visible import visible, visible_json, visible_lines
from transform_hub.profile import Profile

T = TypeVar("T")
Columns = dict[str, Callable[[Any], Any]]
"""Heading of a column -> its value of a row."""


def is_pretty() -> bool:
    """Whether answers are for people."""
    if settings.format is not None:
        return settings.format == "pretty"
    if not sys.stdout.isatty():
        return False
    profile = Profile.load(settings.profile, path=settings.profile_path)
    return bool(profile.values["log"]["format"] == "pretty")


def show(value: Any) -> None:
    """Print an answer."""
    text = msgspec.json.encode(value)
    _print(_escaped((msgspec.json.format(text, indent=2) if is_pretty() else text).decode()))


def _escaped(text: str) -> str:
    """JSON with escapes for control characters, and for what stdout can't encode: those of Python would not be JSON."""
    text = visible_json(text)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return re.sub(r"[^\0-\x7f]", lambda found: json.dumps(found[0])[1:-1], text)
    return text


def show_made(kind: str, id: str, **more: Any) -> None:
    """Print what a command has created, with the keys of STH's ``si``."""
    if settings.quiet:
        _print_id(id)
    elif is_pretty():
        _print(f"{kind} {visible(id)}" + "".join(f"\n{name}: {visible(str(value))}" for name, value in more.items()))
    else:
        show({"_id": id, "id": id, f"{kind.lower()}URL": f"{kind.lower()}/{id}", **more})


def show_id(id: str) -> None:
    """Print the id of what a command has changed."""
    if settings.quiet:
        _print_id(id)
    else:
        show({"id": id})


def show_list(rows: Iterable[T], columns: Columns, *, id_of: Callable[[T], str], empty: str) -> None:
    """Print a list: a table, JSON, or the ids.

    Args:
        rows: what is listed.
        columns: of the table.
        id_of: the id of a row.
        empty: printed for people if there are no rows.
    """
    listed = list(rows)
    if settings.quiet:
        for row in listed:
            _print_id(id_of(row))
    elif not is_pretty():
        show(listed)
    elif not listed:
        _print(empty)
    else:
        _table(listed, columns)


def note(text: str) -> None:
    """Print a note for people, besides the answer."""
    if not settings.quiet:
        print(visible_lines(text), file=sys.stderr)


def size(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("GB is returned")


def _table(rows: list[Any], columns: Columns) -> None:
    from rich.console import Console

    from transform_hub.cli.table import table

    cells = [[_text(cell(row)) for cell in columns.values()] for row in rows]
    console = Console(no_color=not settings.colors(sys.stdout), highlight=False, markup=False)
    console.print(table(list(columns), cells, console.width))


def _text(value: Any) -> str:
    return "" if value is None or value is msgspec.UNSET else str(value)


def _print_id(id: str) -> None:
    """Print an id, for a program as it is."""
    _print(visible(id) if sys.stdout.isatty() else id)


def _print(text: str) -> None:
    print(text, flush=True)
