"""``si scope``: named pairs of a Space and a Hub, in ``~/.si/scopes``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from transform_hub import profile as profiles
from transform_hub.cli import session
from transform_hub.cli.command import App
from transform_hub.cli.exits import NOT_FOUND, CommandError
from transform_hub.cli.output import show, show_id, show_list

app = App(help="Named pairs of a Space and a Hub.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the scope.")]


@app.command("list|ls")
def list_() -> None:
    """List the scopes."""
    rows = [{"name": path.stem} for path in sorted(_folder().glob("*.json"))]
    empty = "There are no scopes: save the Space and Hub in use with `si scope save NAME`."
    show_list(rows, {"NAME": lambda each: each["name"]}, id_of=lambda each: each["name"], empty=empty)


@app.command("print")
def print_(name: Name) -> None:
    """Print a scope."""
    show(_read(name))


@app.command()
def save(name: Name) -> None:
    """Save the Space and the Hub in use as a scope."""
    path = _path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"space": session.last("space"), "hub": session.remembered("hub")}))
    show_id(name)


@app.command()
def use(name: Name) -> None:
    """Use the Space and the Hub of a scope for the rest of the session."""
    scope = _read(name)
    session.remember("space", scope.get("space", ""))
    session.remember("hub", scope.get("hub", ""))


@app.command()
def delete(name: Name) -> None:
    """Delete a scope."""
    _read(name)
    _path(name).unlink()
    show_id(name)


def _folder() -> Path:
    return profiles.folder() / "scopes"


def _path(name: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise CommandError(f"{name!r} can't name a scope: use letters, digits, '.', '_' and '-'")
    return _folder() / f"{name}.json"


def _read(name: str) -> dict[str, Any]:
    try:
        value = json.loads(_path(name).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise CommandError(f"there is no scope {name!r}: see `si scope list`", code=NOT_FOUND) from None
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{_path(name)} is not JSON: {error}") from None
    return value if isinstance(value, dict) else {}
