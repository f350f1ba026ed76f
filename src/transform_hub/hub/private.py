"""Directories and files of a Hub that no other user of the machine can read."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import BinaryIO, cast


def make_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing; one that is there keeps its permissions.

    Raises:
        OSError: it can't be made.
    """
    for folder in reversed([path, *path.parents]):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


def open_file(path: Path, mode: str, *, buffering: int = -1) -> BinaryIO:
    """Open a file to write bytes, as :func:`open` does; one that is there keeps its permissions.

    Raises:
        OSError: it can't be opened.
    """
    opener = functools.partial(os.open, mode=0o600)
    return cast(BinaryIO, open(path, mode, buffering, opener=opener))
