"""``si``: talk to a Hub from the command line; one module per group of commands."""

from __future__ import annotations

import logging
import sys

import typer

from transform_hub.cli import hub, instance, sequence
from transform_hub.errors import HubError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Manage Sequences and Instances on a Scramjet Transform Hub.\n\n"
    "The Hub is taken from SCRAMJET_HUB_URL (default http://127.0.0.1:8000/api/v1), its token from SCRAMJET_TOKEN.",
)
app.add_typer(hub.app, name="hub")
for name, hidden in (("sequence", False), ("seq", True)):
    app.add_typer(sequence.app, name=name, hidden=hidden)
for name, hidden in (("instance", False), ("inst", True)):
    app.add_typer(instance.app, name=name, hidden=hidden)


def main() -> None:
    """Entry point of ``si``: errors are one line, Ctrl-C and closed pipes end quietly."""
    logging.getLogger("stamina").setLevel(logging.ERROR)  # of tries only the last one is of interest here
    try:
        app()
    except HubError as error:
        typer.echo(f"si: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # or Python complains once more at its end
        sys.exit(0)
