"""Directories that end with their Hub, or after ``kill -9`` with the next one of the same user.

In each is a file ``owner``, locked for as long as the process lives. It gets its name when it is locked: a directory
without it, or with one that is locked, is left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from transform_hub.hub.link.socket_dir import places, socket_directory

LINK, STARTUP = "sth-", "sth-startup-"

_OWNER = "owner"
_OURS = re.compile(f"({LINK}|{STARTUP})[a-z0-9_]{{8}}")  # with what tempfile.mkdtemp() adds


@contextlib.contextmanager
def temporary_directory(prefix: str) -> Iterator[Path]:
    """A directory that only this user can enter, with a path that is short enough for sockets.

    Args:
        prefix: of its name, ``LINK`` or ``STARTUP``.

    Raises:
        HubStartError: there is no place for one.
    """
    folder = Path(socket_directory(prefix))
    with _open_lock(folder / "new", os.O_CREAT) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Path(folder, "new").rename(folder / _OWNER)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_orphans() -> None:
    """Remove directories of Hubs of this user that are gone."""
    for place in set(places()):
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                if _OURS.fullmatch(entry.name):
                    _remove_orphan(Path(entry.path))


def _remove_orphan(folder: Path) -> None:
    with contextlib.suppress(OSError):  # in use, of another user, removed meanwhile
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            return
        with _open_lock(folder / _OWNER) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)  # which follows no link


@contextlib.contextmanager
def _open_lock(path: Path, flags: int = 0) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
