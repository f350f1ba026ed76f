"""Packages that Sequences don't change, and no other user reads: what only the Hub's user may read or execute.

It keeps a Sequence from changing, by an open() or a download beside its code, what its other Instances run. It is no
wall: the owner can give the permission back, and root needs none. In a sandbox the package is read-only for all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

_WRITE = 0o222
_OWNER = 0o700
_PROTECTED = 0o500

CACHE = "__pycache__"


def protect(package: Path) -> None:
    """Leave of the permissions of a package what its owner needs, to write only where Python caches its byte code.

    Raises:
        OSError: the disk does not do it.
    """
    for place, folders, files in os.walk(package, topdown=False):
        folder = Path(place)
        for name in files:
            if not (path := folder / name).is_symlink():
                path.chmod(path.stat().st_mode & _PROTECTED)
        if CACHE not in {*folders, *files} and any(name.endswith(".py") for name in files):
            (folder / CACHE).mkdir(mode=_OWNER)
        folder.chmod(folder.stat().st_mode & (_OWNER if folder.name == CACHE else _PROTECTED))


def move(package: Path, target: Path) -> None:
    """Move a protected package; a directory that gets another parent must be writable for a moment.

    Raises:
        OSError: it can't be moved, and is as it was.
    """
    mode = package.stat().st_mode & ~_WRITE
    package.chmod(mode | _OWNER)
    try:
        package.rename(target)
    except OSError:
        package.chmod(mode)
        raise
    target.chmod(mode)


def remove_tree(path: Path) -> None:
    """Delete a directory with all that is in it, protected or not, as far as that is possible."""
    try:
        _remove_tree(path)
    except RecursionError:  # a Sequence may nest directories deeper than Python walks
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, "--", str(path)], check=False, capture_output=True)  # noqa: S603 - the system's own


def _remove_tree(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.chmod(_OWNER)
        for place, folders, _ in os.walk(path):
            for folder in (Path(place, name) for name in folders):
                if not folder.is_symlink():
                    folder.chmod(_OWNER)
    shutil.rmtree(path, ignore_errors=True)
