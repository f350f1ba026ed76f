"""Packing a directory, without what `.siignore` names."""

from __future__ import annotations

import os
import secrets
import stat
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pathspec import GitIgnoreSpec

from transform_hub.errors import PackageError
from transform_hub.package.archive import Kind, is_utf8
from transform_hub.package.package_json import entrypoint, read_package_json
from transform_hub.package.tree import above, link_defect

_CHUNK = 256 * 1024
# Not node_modules and __pypackages__: dependencies are vendored there.
_JUNK = frozenset({".git", ".hg", ".svn", "__pycache__", "*.pyc", ".venv", "venv", ".tox", ".nox", ".DS_Store"})
_JUNK |= {".mypy_cache", ".pytest_cache", ".ruff_cache"}


@dataclass(frozen=True)
class Packed:
    """The result of :func:`pack`.

    Attributes:
        files: paths of the files and links, sorted, relative to the directory.
        unpacked_bytes: size of all files together.
        packed_bytes: size of the archive.
    """

    files: tuple[str, ...]
    unpacked_bytes: int
    packed_bytes: int


def pack(directory: str | os.PathLike[str], target: str | os.PathLike[str] | BinaryIO) -> Packed:
    """Pack a directory into a tar.gz that a Hub takes.

    The same tree gives the same bytes, wherever and whenever it is packed. Left out are version control and
    cache folders, virtual environments, the archive itself, and what ``.siignore`` names in the syntax of
    ``.gitignore``; a line like ``!venv`` there includes ``venv`` again.

    Args:
        directory: has a package.json, and the file that its ``main`` names.
        target: path to write, which appears on success only; or a file to write to, which is not closed.

    Returns:
        Files and sizes.

    Raises:
        PackageError: the directory can't be packed, or the path can't be written.
        OSError: the file to write to failed.
    """
    root = Path(directory)
    with _reading(root):
        if not root.is_dir():
            message = f"{root} is not a directory; name the one that has the package.json"
            raise PackageError(message, code="no-package-json")
        os.scandir(root).close()
        main = entrypoint(root, read_package_json(root))
        entries, targets = _scan(root, _output(target))
    for path in (*_needed(root, root / "package.json"), *_needed(root, main)):
        if path not in entries:
            raise PackageError(f"{path} is needed, but left out; see .siignore", code="no-main")
    if defect := link_defect(entries, targets):
        raise PackageError(f"Can't pack {root}: {defect}", code="unsafe")
    if isinstance(target, str | os.PathLike):
        with _replacing(Path(target)) as file:
            return _write(root, entries, targets, file)
    return _write(root, entries, targets, target)


def contents(directory: Path) -> list[str]:
    """Paths of the files and links that :func:`pack` would take, relative to the directory.

    Raises:
        PackageError: something in it can't be packed.
        OSError: it can't be read.
    """
    entries, _ = _scan(directory, None)
    return [path for path, kind in entries.items() if kind != "directory"]


def _needed(root: Path, file: Path) -> Iterator[str]:
    """The file behind a path, and the links on the way to it."""
    yield os.path.relpath(file.resolve(), root.resolve())
    for path in (file, *file.parents):
        if root in path.parents and path.is_symlink():
            yield os.path.relpath(path, root)


def _output(target: str | os.PathLike[str] | BinaryIO) -> os.stat_result | None:
    """The output, if it exists already: it may lie in the directory."""
    try:
        return Path(target).stat() if isinstance(target, str | os.PathLike) else os.fstat(target.fileno())
    except (OSError, AttributeError):  # UnsupportedOperation is an OSError
        return None


def _scan(root: Path, output: os.stat_result | None) -> tuple[dict[str, Kind], dict[str, str]]:
    """The entries to pack, sorted, and the targets of links."""
    junk, ignored = _rules(root / ".siignore")
    negated = any(pattern.include is False for pattern in ignored.patterns)
    entries: dict[str, Kind] = {}
    targets: dict[str, str] = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as found:
            items = [item for item in found if not junk.intersection((item.name, "*" + item.name[-4:]))]
        for item in items:
            path = folder + item.name
            status = item.stat(follow_symlinks=False)
            kind = _kind(status.st_mode)
            out = path != "package.json" and ignored.match_file(path + "/" * (kind == "directory"))
            if kind == "directory" and (negated or not out):
                folders.append(path + "/")
            if out or (output and os.path.samestat(status, output)):
                continue
            if kind is None:
                message = f"{root / path} is neither file nor directory; remove it or name it in .siignore"
                raise PackageError(message, code="unsafe")
            if kind == "symbolic link":
                targets[path] = _target(root, path)
            if not is_utf8(path + targets.get(path, "")):
                message = f"{path!r} in {root} has a name, or leads to one, that is not UTF-8; rename it"
                raise PackageError(message, code="unsafe")
            entries |= dict.fromkeys(above(path), "directory")
            entries[path] = kind
    return dict(sorted(entries.items())), targets


def _kind(mode: int) -> Kind | None:
    if stat.S_ISLNK(mode):
        return "symbolic link"
    return "directory" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else None


def _rules(file: Path) -> tuple[frozenset[str], GitIgnoreSpec]:
    """What to leave out: names of junk, and the rules of the ignore file."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines() if file.exists() else []
        spec = GitIgnoreSpec.from_lines(lines)
    except ValueError as error:  # of pathspec and of the decoder
        raise PackageError(f"{file} is not an ignore file: {error}") from None
    return _JUNK.difference(line.strip()[1:].strip("/") for line in lines if line.startswith("!")), spec


def _target(root: Path, path: str) -> str:
    """The target of a link; an absolute path into the root is made relative."""
    target = os.readlink(root / path)  # noqa: PTH115 - Path would tidy it up
    if target.startswith("/"):
        inside = Path(os.path.realpath(target))
        if inside.is_relative_to(root.resolve()):
            return os.path.relpath(inside, (root / path).parent.resolve())
    return target


def _write(root: Path, entries: Mapping[str, Kind], targets: Mapping[str, str], file: BinaryIO) -> Packed:
    out = _Gzip(file)
    unpacked = 0
    for path, kind in entries.items():
        info = tarfile.TarInfo(path)  # time, owner and names of owners are zero and empty
        info.mode = 0o755
        if kind == "file":
            unpacked += _write_file(root / path, info, out)
            continue
        info.type = tarfile.DIRTYPE if kind == "directory" else tarfile.SYMTYPE
        info.linkname = targets.get(path, "")
        out.write(info.tobuf(tarfile.PAX_FORMAT))
    out.write(bytes(2 * tarfile.BLOCKSIZE))
    out.finish()
    return Packed(tuple(p for p, kind in entries.items() if kind != "directory"), unpacked, out.size)


def _write_file(path: Path, info: tarfile.TarInfo, out: _Gzip) -> int:
    with _reading(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        info.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
        info.size = left = status.st_size
        out.write(info.tobuf(tarfile.PAX_FORMAT))
        while left:
            with _reading(path):
                data = file.read(min(left, _CHUNK))
            if not data:
                raise PackageError(f"{path} became shorter while it was packed; try again")
            out.write(data)
            left -= len(data)
    out.write(bytes(-info.size % tarfile.BLOCKSIZE))
    return info.size


class _Gzip:
    """Compresses into a file. Unlike GzipFile it writes no trailer after an error, so that the archive is invalid."""

    def __init__(self, file: BinaryIO) -> None:
        self.size = 0
        self._file = file
        self._deflate = zlib.compressobj(6, zlib.DEFLATED, 31)  # its header has neither name nor time

    def write(self, data: bytes) -> None:
        self._put(self._deflate.compress(data))

    def finish(self) -> None:
        self._put(self._deflate.flush())

    def _put(self, data: bytes) -> None:
        self.size += len(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]  # a raw file may take a part


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"Can't read {error.filename or path}: {error.strerror}"
        raise PackageError(f"{what}; make it readable, or name it in .siignore") from None


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that replaces another on success."""
    special = path.exists() and not path.is_file()  # /dev/stdout, or a directory, which fails below
    path = path if special else Path(os.path.realpath(path))
    part = path if special else path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("wb") as file:
            yield file
        if not special:
            part.replace(path)
    except OSError as error:
        raise PackageError(f"Can't write {path}: {error.strerror}") from None
    finally:
        if not special:
            part.unlink(missing_ok=True)
