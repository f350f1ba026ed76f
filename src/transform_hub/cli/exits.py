"""Exit codes of ``si``, and how errors become one.

    0    success
    1    failure
    2    wrong usage
    3    no such Sequence, Instance, topic, profile, ...
    4    no Hub answers
    130  interrupted with Ctrl-C

``si run`` exits with the code of the Instance.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from transform_hub.cli.settings import settings
from transform_hub.cli.visible import visible, visible_lines
from transform_hub.errors import (
    AuthenticationError,
    HubConnectionError,
    HubError,
    NotFoundError,
    ProfileNotFoundError,
    ProfileValueError,
)

ERROR = 1
USAGE = 2
NOT_FOUND = 3
NO_HUB = 4
INTERRUPTED = 130


class CommandError(Exception):
    """A command failed.

    Args:
        message: what is wrong, and what to do.
        code: the exit code.
    """

    def __init__(self, message: str, *, code: int = ERROR) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def handle_errors() -> Iterator[None]:
    """Report an error as one line on stderr and an exit code."""
    try:
        yield
    except BrokenPipeError:
        # The reader of stdout has seen enough; without this Python complains when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except (CommandError, HubError, OSError, UnicodeEncodeError) as error:
        if settings.debug:
            print_traceback()
        print_error(message_of(error))
        raise typer.Exit(code_of(error)) from None


def print_error(message: str) -> None:
    label = typer.style("Error:", fg="red") if settings.colors(sys.stderr) else "Error:"
    print(label, visible_lines(message), file=sys.stderr)


def print_traceback() -> None:
    print(visible_lines(traceback.format_exc()), end="", file=sys.stderr)


def code_of(error: BaseException) -> int:
    """The exit code of an error."""
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, ProfileValueError):
        return USAGE
    if isinstance(error, HubConnectionError):
        return NO_HUB
    return NOT_FOUND if isinstance(error, (NotFoundError, ProfileNotFoundError)) else ERROR


def message_of(error: BaseException) -> str:
    """The message of an error: what is wrong, and the next step."""
    if isinstance(error, HubConnectionError) and error.message.startswith("No Hub answers at "):
        where = error.message.removeprefix("No Hub answers at ")
        known_by = "the variable SCRAMJET_HUB_URL" if _is_in_environment() else "`si config set apiUrl URL`"
        return f"no Hub answers at {where}: start one with `si hub start`, or point {known_by} elsewhere"
    if isinstance(error, AuthenticationError) and "token=" in error.hint:
        error.hint = "`si config set token TOKEN` or the variable SCRAMJET_TOKEN names one"
    if isinstance(error, OSError) and error.strerror and not isinstance(error, HubError):
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object!r} is not UTF-8: rename it"
    return visible(str(error)) if isinstance(error, HubError) else str(error)


def _is_in_environment() -> bool:
    return not (settings.profile or settings.profile_path) and bool(os.environ.get("SCRAMJET_HUB_URL"))
