"""Directories for Unix sockets, whose paths have a hundred bytes (unix(7)): those of temporary files may have more."""

from __future__ import annotations

import os
import tempfile

from transform_hub.errors import HubStartError

LONGEST = 70
"""Bytes of a directory's path that leave room for what is below it."""


def places() -> list[str]:
    """Where there may be one; the first is the best."""
    all_places = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # noqa: S108 - mkdtemp makes it safely
    return [each for each in all_places if len(os.fsencode(each)) <= LONGEST and os.access(each, os.W_OK)]


def socket_directory(prefix: str) -> str:
    """Make a directory that only this user can enter.

    Args:
        prefix: of its name.

    Returns:
        Its path, which is short enough.

    Raises:
        HubStartError: there is no place for one.
    """
    for base in places():
        return tempfile.mkdtemp(prefix=prefix, dir=base)
    raise HubStartError(f"{tempfile.gettempdir()} is too long a path for sockets: set TMPDIR to a shorter one")
