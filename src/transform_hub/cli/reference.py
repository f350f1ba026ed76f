"""The reference of all commands, generated from the commands as Markdown and as a man page.

python -m transform_hub.cli.reference docs/si.md docs/si.1     writes both
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from transform_hub.cli.si import app

BEGIN, END = "<!-- reference: made by `make docs` -->\n", "<!-- end of the reference -->\n"

WIDTH = 100

MAN_HEAD = """.TH SI 1 "" "scramjet-api-client" "User Commands"
.SH NAME
si \\- manage Sequences, Instances and topics on a Scramjet Transform Hub
.SH SYNOPSIS
.B si
[OPTIONS] COMMAND [ARGS]...
"""

MAN_TAIL = """.SH EXIT STATUS
.TP
.B 0
success
.TP
.B 1
failure
.TP
.B 2
wrong usage
.TP
.B 3
no such Sequence, Instance, topic, profile, ...
.TP
.B 4
no Hub answers
.TP
.B 130
interrupted with Ctrl\\-C
.PP
.B si run
exits with the code of the Instance.
.SH ENVIRONMENT
.TP
.B SCRAMJET_HUB_URL, SCRAMJET_TOKEN
URL of the Hub's API and token for it; they override the active profile.
.TP
.B SI_CONFIG, SI_CONFIG_PATH
name of a profile, path of a profile file.
.TP
.B NO_COLOR
no colours.
.SH FILES
.TP
.I ~/.si/profiles/NAME.json
profiles
.TP
.I ~/.si/si\\-config.json
which of them is active
"""


def commands() -> Iterator[tuple[str, Any, str]]:
    """All groups and commands: the words to type, the command, its help."""
    yield from _below(typer.main.get_command(app), "si", None)


def markdown() -> str:
    """The reference as Markdown."""
    parts = [f"### `{typed}`\n\n```text\n{text}\n```\n" for typed, _, text in commands()]
    return "\n".join(parts)


def man_page() -> str:
    """The reference as a man page."""
    parts = [MAN_HEAD, ".SH COMMANDS\n"]
    for typed, _, text in commands():
        parts.append(f".SS {_roff(typed)}\n.nf\n{_roff(text)}\n.fi\n")
    return "".join([*parts, MAN_TAIL])


def replaced(document: str) -> str:
    """A Markdown document with the reference replaced."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    return f"{head}{begin}\n{markdown()}\n{end}{tail}"


def _below(command: Any, typed: str, parent: typer.Context | None) -> Iterator[tuple[str, Any, str]]:
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = typer.Context(command, info_name=typed.rpartition(" ")[2], parent=parent, **settings)
    yield typed, command, command.get_help(context)
    for names in getattr(command, "list_commands", lambda _: [])(context):
        below = command.get_command(context, names)
        if not below.hidden:
            yield from _below(below, f"{typed} {names.partition('|')[0]}", context)


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in escaped.split("\n"))


def main() -> None:
    """Write the documents that the command line names."""
    for path in map(Path, sys.argv[1:]):
        path.write_text(replaced(path.read_text()) if path.suffix == ".md" else man_page())


if __name__ == "__main__":
    main()
