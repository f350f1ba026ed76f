"""Extracting archives to a directory.

No path is ever followed through a link: directories, files and hard links are created as they come; symbolic links
last, when the archive's checksum is right and each link is known to stay inside.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from transform_hub.package import sparse
from transform_hub.package.archive import Kind, Member, members
from transform_hub.package.gunzip import Gunzip, Limits
from transform_hub.package.refusals import shown, too_large, unsafe

_LINK_HOPS = 40  # as in Linux
_LINK_STEPS = 1_000_000  # through directories, for all links of a package together
# Errors of the file system for bad archives, e.g. a second name that differs in case only.
_REFUSALS = {errno.EEXIST, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.EMLINK, errno.ENOTDIR}


def link_defect(entries: Mapping[str, Kind], targets: Mapping[str, str]) -> str | None:
    """The first symbolic link that is not allowed in a package, and why; None if all are.

    A link may dangle, but go up (``..``) from directories only: elsewhere its target could change. The check needs
    no file system, so nothing has to exist yet, and no chain of links can make it slow.

    Args:
        entries: everything in the package, with all directories that something is in.
        targets: of the symbolic links.
    """
    steps = 0
    for name, target in targets.items():
        defect = "leads outside the package" if target.startswith("/") else None if target else "is empty"
        place = name.split("/")[:-1]
        ahead = target.split("/")[::-1]
        hops = 1
        while ahead and not defect:
            steps += 1
            part = ahead.pop()
            if part == "..":
                defect = None if place else "leads outside the package"
                place = place[:-1]
            elif part not in {"", "."}:
                path = "/".join([*place, part])
                kind = entries.get(path)
                if kind == "symbolic link":
                    ahead += targets[path].split("/")[::-1]
                    hops += 1
                elif kind == "directory":
                    place.append(part)
                elif ".." in ahead:
                    defect = "goes up from what is not a directory"
                else:
                    break
            if hops > _LINK_HOPS or steps > _LINK_STEPS:
                defect = "leads through too many links"
        if defect:
            return f"the symbolic link {shown(name)} {defect}"
    return None


def above(name: str) -> Iterator[str]:
    """The directories that a name is in, outermost first."""
    end = name.find("/")
    while end >= 0:
        yield name[:end]
        end = name.find("/", end + 1)


class Tree:
    """A directory that an archive is extracted to; can remove exactly what it created.

    Args:
        directory: is created, or empty.
        limits: of the archive.

    Raises:
        OSError: the directory is not empty, or can't be created.
    """

    def __init__(self, directory: Path, limits: Limits) -> None:
        self._root = directory
        self._limits = limits
        self._entries: dict[str, Kind] = {}  # a name is here before those in it
        self._targets: dict[str, str] = {}
        self._count = 0
        self._bytes = 0
        self._made_root = not directory.exists()
        if self._made_root:
            directory.mkdir()
        elif any(directory.iterdir()):
            raise FileExistsError(errno.EEXIST, "Not an empty directory", str(directory))

    def extract(self, file: BinaryIO) -> None:
        """Extract a tar.gz.

        Raises:
            PackageError: the archive is damaged, unsafe or too large.
            OSError: the file can't be read, or the directory not be written.
        """
        for member, data in members(Gunzip(file, self._limits), self._limits):
            self._bytes += member.size
            if self._bytes > self._limits.max_unpacked_bytes:
                raise too_large(f"its files have more than {self._limits.max_unpacked_bytes} bytes")
            with _blaming(member.name):
                self._add(member, data)
        if defect := link_defect(self._entries, self._targets):
            raise unsafe(defect)
        for name, target in self._targets.items():
            with _blaming(name):
                (self._root / name).symlink_to(target)

    def remove(self) -> None:
        """Remove what was created, and nothing else."""
        for name, kind in reversed(self._entries.items()):
            with suppress(OSError):
                path = self._root / name
                path.rmdir() if kind == "directory" else path.unlink()
        if self._made_root:
            with suppress(OSError):
                self._root.rmdir()

    def _add(self, member: Member, data: Iterator[bytes]) -> None:
        name = member.name
        for directory in above(name):
            if self._entries.get(directory) != "directory":
                self._directory(directory)
        if member.kind == "directory":
            self._directory(name)
            return
        self._room()
        if member.kind == "hard link" and self._entries.get(member.target) != "file":
            raise unsafe(f"the hard link {shown(name)} leads to what is not a file in it")
        if name in self._entries:
            if member.kind == "hard link" and member.target == name:
                return
            self._replace(name)
        if member.kind == "file":
            self._file(member, data)
        elif member.kind == "symbolic link":
            self._targets[name] = member.target
            self._entries[name] = "symbolic link"
        else:
            (self._root / name).hardlink_to(self._root / member.target)
            self._entries[name] = "file"

    def _replace(self, name: str) -> None:
        """Make room for a member that an earlier one had the name of: the last one counts, as with tar."""
        kind = self._entries[name]
        if kind == "directory":
            raise unsafe(f"{shown(name)} is both a directory and something else")
        del self._entries[name]
        if kind == "symbolic link":
            del self._targets[name]
        else:
            (self._root / name).unlink()

    def _directory(self, name: str) -> None:
        kind = self._entries.get(name)
        if kind not in {None, "directory"}:
            raise unsafe(f"{shown(name)} is both a {kind} and a directory")
        self._room()
        if name and not kind:
            (self._root / name).mkdir(0o755)
            self._entries[name] = "directory"

    def _file(self, member: Member, data: Iterator[bytes]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        mode = 0o755 if member.executable else 0o644
        with os.fdopen(os.open(self._root / member.name, flags, mode), "wb") as file:
            self._entries[member.name] = "file"
            if member.extents is None:
                file.writelines(data)
            else:
                sparse.write(file, data, member.extents, member.size)

    def _room(self) -> None:
        self._count += 1
        if self._count > self._limits.max_files:
            raise too_large(f"more than {self._limits.max_files} files, directories and links")


@contextmanager
def _blaming(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise too_large(f"the name {shown(name)} is too long for the file system") from None
        if error.errno in _REFUSALS:
            raise unsafe(f"{shown(name)} is not possible in the file system ({error.strerror})") from None
        raise
