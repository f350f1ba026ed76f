"""``si``, the command line of a Hub: one module per group of commands, imported when it is used."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from transform_hub.cli import exits
from transform_hub.cli.command import App, Group
from transform_hub.cli.completers import complete_profile
from transform_hub.cli.descriptors import open_standard
from transform_hub.cli.settings import settings
from transform_hub.cli.version import Version

HELP = """Manage Sequences, Instances and topics on a Scramjet Transform Hub.

Answers are tables on a terminal and one line of JSON in a pipe. Exit codes: 0 success, 1 failure, 2 wrong usage,
3 not found, 4 no Hub answers, 130 interrupted; `si run` exits with the code of the Instance.
"""


class Root(Group):
    """The groups of ``si``."""

    lazy = {  # noqa: RUF012 - a table
        "run": ("transform_hub.cli.run", "Run a Sequence as a program."),
        "init": ("transform_hub.cli.init", "Create the folder of a new Sequence."),
        "sequence|seq": ("transform_hub.cli.sequence", "Sequences: packaged programs on the Hub."),
        "instance|inst": ("transform_hub.cli.instance", "Instances: running Sequences."),
        "topic": ("transform_hub.cli.topic", "Topics: named streams."),
        "hub": ("transform_hub.cli.hub", "The Hub: start one on this machine, inspect one."),
        "config|c": ("transform_hub.cli.config", "Profiles: which Hub to use."),
        "space|spc": ("transform_hub.cli.space", "Spaces of a platform."),
        "scope|s": ("transform_hub.cli.scope", "Named pairs of a Space and a Hub."),
        "store": ("transform_hub.cli.store", "The store of a Space: Sequences for all its Hubs."),
        "completion": ("transform_hub.cli.completion", "Completion for bash, zsh and fish."),
        "util|u": ("transform_hub.cli.util", "Tools for pipes."),
    }


app = App(help=HELP, cls=Root)


@app.callback()
def si(
    version: Version = False,  # noqa: ARG001 - its callback does it
    profile: Annotated[
        str | None,
        typer.Option("--config", "--profile", metavar="NAME", help="Profile to use.", autocompletion=complete_profile),
    ] = None,
    config_path: Annotated[Path | None, typer.Option("--config-path", help="Profile file to use.")] = None,
    format: Annotated[str | None, typer.Option("--format", metavar="pretty|json", help="Form of the answers.")] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Ids only; no notes and no progress.")] = False,
    progress: Annotated[
        bool | None, typer.Option("--progress/--no-progress", help="Progress bars.  [default: on a terminal]")
    ] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours, as with NO_COLOR.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Tracebacks of errors.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Write control characters in streams to a terminal as they are.")
    ] = False,
) -> None:
    if format is not None:
        settings.set("--format", format)
    settings.profile, settings.profile_path = profile, config_path
    settings.quiet, settings.progress, settings.debug, settings.raw = quiet, progress, debug, raw
    settings.color = False if no_color else None


def main() -> None:
    """Entry point of ``si``."""
    open_standard()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # the terminal may lack characters of a name
    if "_SI_COMPLETE" in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]  # not in its __all__

        completion_init()  # typer does it only if it adds the options for completion
    code = exits.ERROR
    try:
        app(prog_name="si")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else exits.ERROR if end.code else 0
    except KeyboardInterrupt:
        code = exits.INTERRUPTED
    except Exception:  # noqa: BLE001 - a bug of ours
        exits.print_traceback()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    # Finalizing the interpreter would take a fifth of a short command's time.
    os._exit(code)


if __name__ == "__main__":
    main()
