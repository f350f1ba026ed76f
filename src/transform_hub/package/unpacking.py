"""Unpacking a package from an untrusted source."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from transform_hub.package.gunzip import Limits
from transform_hub.package.package_json import PackageJson, entrypoint, read_package_json
from transform_hub.package.tree import Tree


def unpack(
    archive: str | os.PathLike[str] | BinaryIO,
    directory: str | os.PathLike[str],
    *,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
) -> PackageJson:
    """Extract a package from an untrusted source.

    Nothing is written outside the directory, and after an error nothing is left in it. Files get mode 0644 or
    0755, less the umask.

    Args:
        archive: path of a tar.gz, or a file, which is read to its end and not closed.
        directory: target, which is created (its parent exists) or empty.
        limits: of the package.

    Returns:
        Its package.json. The ``main`` exists.

    Raises:
        PackageError: the package can't be run. The message has no paths of this machine.
        OSError: the archive can't be read or the directory can't be written, e.g. because the disk is full or
            the directory is not empty.
    """
    with Path(archive).open("rb") if isinstance(archive, str | os.PathLike) else nullcontext(archive) as file:
        tree = Tree(Path(directory), limits)
        try:
            tree.extract(file)
            package = read_package_json(directory)
            entrypoint(directory, package)
        except BaseException:
            tree.remove()
            raise
    return package
