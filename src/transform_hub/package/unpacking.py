"""Unpacking: a package that may come from anyone becomes a directory."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from transform_hub.package.archive import Limits
from transform_hub.package.package_json import PackageJson, entrypoint, read_package_json
from transform_hub.package.tree import Tree


def unpack(
    archive: str | os.PathLike[str] | BinaryIO,
    directory: str | os.PathLike[str],
    *,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
) -> PackageJson:
    """Extract a package that may come from anyone.

    Nothing is written outside the directory, and after an error nothing is left in it. Files get mode 0644 or
    0755, less the umask.

    Args:
        archive: path of a tar.gz, or a file to read one from; read to its end, not closed.
        directory: where to; is made (its parent exists), or is empty.
        limits: what the package may cost.

    Returns:
        The package's description. Its ``main`` exists.

    Raises:
        PackageError: the package is not fit to run. The message has no paths of this machine.
        OSError: the archive can't be read or the directory not be written, e.g. because the disk is full or
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
