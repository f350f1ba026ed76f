"""``--env``, ``--env-file``, ``--secret`` and ``--hub-secret``: what must not be seen goes to a Sequence.

No error says more than a name or the number of a line.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from transform_hub.cli.exits import USAGE, CommandError

Env = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME[=VALUE]",
        help="Environment variable; without VALUE that of `si` is passed on.",
    ),
]
EnvFile = Annotated[list[Path] | None, typer.Option("--env-file", help="File with a line NAME=VALUE for each.")]
Secret = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME[=VALUE]",
        help="Secret; without VALUE it is taken from the environment of `si`, or asked for. Others can see VALUE.",
    ),
]
HubSecret = Annotated[
    list[str] | None,
    typer.Option("--hub-secret", metavar="NAME=FILE", help="Secret that is a file in the Hub's --secrets-dir."),
]

_QUOTED = re.compile(r"""(["'])(.*)\1""")


def environment(env: list[str] | None, files: list[Path] | None) -> dict[str, str]:
    """The environment variables that options name; a later one counts.

    Raises:
        CommandError: one has no name, or no value.
    """
    found: dict[str, str] = {}
    for file in files or ():
        found.update(_read(file))
    for each in env or ():
        name, equals, value = _pair(each, "--env")
        found[name] = value if equals else _own(name, "--env")
    return _encodable(found)


def secrets(given: list[str] | None, of_hub: list[str] | None) -> dict[str, Any]:
    """The secrets that options name, some of which are asked for.

    Raises:
        CommandError: one has no name, or no value.
    """
    found: dict[str, Any] = {}
    for each in given or ():
        name, equals, value = _pair(each, "--secret")
        found[name] = value if equals else _own(name, "--secret", ask=True)
    for each in of_hub or ():
        name, equals, file = _pair(each, "--hub-secret")
        if not equals:
            raise CommandError(f"--hub-secret {name} needs a file: {name}=FILE", code=USAGE)
        found[name] = {"file": file}
    return _encodable(found)


def _encodable(found: dict[str, Any]) -> dict[str, Any]:
    for name, value in found.items():
        try:
            f"{name}{value}".encode()
        except UnicodeEncodeError:  # which has the whole text, and would be printed
            raise CommandError(f"the value of {name!a} is not UTF-8", code=USAGE) from None
    return found


def _pair(text: str, option: str) -> tuple[str, str, str]:
    name, equals, value = text.partition("=")
    if not name:
        raise CommandError(f"{option} has no name: NAME or NAME=VALUE", code=USAGE)
    return name, equals, value


def _own(name: str, option: str, *, ask: bool = False) -> str:
    value = os.environ.get(name)
    if value is None and ask and sys.stdin.isatty():
        value = str(typer.prompt(name, hide_input=True, err=True))
    if value is None:
        hint = ", and there is no terminal to ask at" if ask else ""
        raise CommandError(f"{option} {name} has no value: the environment of si has none{hint}", code=USAGE)
    return value


def _read(file: Path) -> dict[str, str]:
    """Lines NAME=VALUE; quotes around a value are no part of it, blank lines and those with # are left out."""
    found = {}
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not text in UTF-8", code=USAGE) from None
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        if not equals or not name.strip():
            raise CommandError(f"{file}:{number} is not NAME=VALUE", code=USAGE)
        quoted = _QUOTED.fullmatch(value.strip())
        found[name.strip()] = quoted[2] if quoted else value.strip()
    return found
