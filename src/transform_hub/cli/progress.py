"""Progress bars on stderr, for people only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from transform_hub.cli.settings import settings
from transform_hub.cli.visible import visible

Progress = Callable[[int, int | None], object]
"""Called with the bytes so far, and the total if it is known."""


@contextmanager
def progress(what: str, *, shown: bool = True) -> Iterator[Progress | None]:
    """Show the progress of a transfer: bytes, rate and, if the size is known, the time left.

    Args:
        what: label of the bar.
        shown: False shows nothing.

    Yields:
        A callback for the progress; None if nothing is shown.
    """
    if not (shown and is_shown()):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(file=sys.stderr, no_color=not settings.colors(sys.stderr))
    with Progress(*columns, console=console, transient=console.is_terminal) as bar:
        task = bar.add_task(visible(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def is_shown() -> bool:
    if settings.progress is not None:
        return settings.progress
    return sys.stderr.isatty() and not settings.quiet
