"""The reference of all commands, as Markdown and as a man page, and of the settings of ``sth``: made from themselves.

python -m transform_hub.cli.reference docs/si.md docs/si.1 docs/hub.md     writes them
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from transform_hub.cli.si import app
from transform_hub.hub.config import DaemonConfig
from transform_hub.hub.setting import Setting, settings_of

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
it worked
.TP
.B 1
it failed
.TP
.B 2
the command line is wrong
.TP
.B 3
there is no such Sequence, Instance, topic, profile, ...
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
URL of the Hub's API and token for it; they go before the active profile.
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
    """All groups and commands: what is typed, itself, and its help."""
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


def settings() -> str:
    """The settings of ``sth`` as a table in Markdown."""
    panels: dict[str, list[Setting]] = {}
    for each in settings_of(DaemonConfig):
        panels.setdefault(each.panel, []).append(each)
    rows = ["| option | environment | key in the file | default | |", "|---|---|---|---|---|"]
    for panel, members in panels.items():
        rows += [f"| **{panel}** | | | | |", *map(_row, members)]
    return "\n".join(rows) + "\n"


def _row(setting: Setting) -> str:
    default = setting.option_default
    if isinstance(default, bool):
        default = "on" if default else "off"
    elif isinstance(default, Path):  # of this machine
        default = "user's data directory"
    shown = "" if default in (None, (), {}) else default
    flags = setting.flags.partition("/")[0]
    return f"| `{flags}` | `{setting.variable}` | `{setting.key}` | {shown} | {setting.help} |"


def replaced(document: str) -> str:
    """A Markdown document with what is made for it in its place."""
    for name, make in (("reference", markdown), ("settings", settings)):
        head, begin, rest = document.partition(f"<!-- {name}: made by `make docs` -->\n")
        if begin:
            _, end, tail = rest.partition(f"<!-- end of the {name} -->\n")
            document = f"{head}{begin}\n{make()}\n{end}{tail}"
    return document


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
