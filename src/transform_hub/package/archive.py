r"""Reading tar.gz archives from untrusted sources.

``tarfile`` only parses single headers here: it takes a damaged header for the end of the archive, reads a long-name
header of any size into memory, and its extraction filters have had bypasses in the Pythons we support.

    archive   member*, a block of zeros, anything; all of it gzip'd, and gzip has a checksum in its trailer
    member    extended header*, header (512 bytes), data, zeros up to a multiple of 512
    header    of a file, directory, hard or symbolic link; other types are refused
    extended  type x or g: records "<length> <key>=<value>\n"; L, K: the name or target of the next member
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from tarfile import BLOCKSIZE
from typing import BinaryIO, Literal

from transform_hub.errors import PackageError

Kind = Literal["file", "directory", "hard link", "symbolic link"]

_CHUNK = 256 * 1024
_EXTENDED_BYTES = 1 << 20  # extended headers hold file attributes, so they may be large
_EXTENDED_RECORDS = 20  # per file; each costs time
_RATIO_FROM = 32 << 20
_EXTENDED = {
    tarfile.XHDTYPE: "",
    tarfile.XGLTYPE: "",
    tarfile.GNUTYPE_LONGNAME: "path",
    tarfile.GNUTYPE_LONGLINK: "linkpath",
}
_KINDS: dict[bytes, Kind] = {
    tarfile.AREGTYPE: "file",
    tarfile.REGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "symbolic link",
}


@dataclass(frozen=True)
class Limits:
    """Limits of an archive, beyond which it is refused.

    Args:
        max_archive_bytes: size of the archive.
        max_unpacked_bytes: size of all files together.
        max_files: number of files, directories and links together.
        max_ratio: bytes unpacked per byte of archive, checked from 32 MiB on.
        max_path_bytes: length of a path in the archive, and of a link's target.
        max_depth: number of nested directories.
    """

    max_archive_bytes: int = 1 << 30
    max_unpacked_bytes: int = 2 << 30
    max_files: int = 100_000
    max_ratio: float = 200
    max_path_bytes: int = 1024
    max_depth: int = 128


@dataclass(frozen=True)
class Member:
    """One file, directory or link of an archive, its name normalized; the name of the root is empty."""

    name: str
    kind: Kind
    size: int
    executable: bool
    target: str


def shown(name: str | bytes) -> str:
    """A name for messages: quoted, escaped, shortened."""
    return repr(name) if len(name) <= 100 else repr(name[:100]) + "..."


def is_utf8(name: str) -> bool:
    """Whether a name was UTF-8 before it was decoded with ``surrogateescape``."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def corrupt(detail: str) -> PackageError:
    return PackageError(f"Invalid pkg tar.gz archive: {detail}", code="not-an-archive")


def unsafe(detail: str) -> PackageError:
    return PackageError(f"Package refused: {detail}", code="unsafe")


def too_large(detail: str) -> PackageError:
    return PackageError(f"Package too large: {detail}", code="too-large")


class Gunzip:
    """The bytes in a gzip stream, checked against limits as they are read.

    Args:
        file: the compressed bytes.
        limits: of the archive.
    """

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._inflate = zlib.decompressobj(31)
        self._streams = 1  # a gzip file can be several in a row
        self._between = False
        self._left = b""
        self._data = b""
        self._at = 0
        self._packed = 0
        self._unpacked = 0
        # Headers and padding belong to no file, but need a limit as well.
        self._max_unpacked = limits.max_unpacked_bytes + 4096 * limits.max_files + (1 << 20)

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end, which means that the checksum is right."""
        if self._at == len(self._data):
            self._data = self._next()
            self._at = 0
        data = self._data[self._at : self._at + size]
        self._at += len(data)
        return data

    def pieces(self, size: int) -> Iterator[bytes]:
        """Exactly so many bytes."""
        while size:
            data = self.read(min(size, _CHUNK))
            if not data:
                raise corrupt("it ends too early")
            size -= len(data)
            yield data

    def exactly(self, size: int) -> bytes:
        return b"".join(self.pieces(size))

    def _next(self) -> bytes:
        while True:
            packed = self._left or self._fetch()
            if self._between:
                if not packed:
                    return b""
                self._left = packed.lstrip(b"\0")  # gzip files on tapes are padded
                if self._left:
                    self._begin()
                continue
            try:
                data = self._inflate.decompress(packed, _CHUNK)
            except zlib.error as error:
                raise corrupt(f"not gzip, or damaged ({str(error).rpartition(': ')[2]})") from None
            self._between = self._inflate.eof
            self._left = self._inflate.unused_data if self._between else self._inflate.unconsumed_tail
            if data:
                self._count(len(data))
                return data
            if not packed and not self._between:
                raise corrupt("it ends too early" if self._packed else "it is empty")

    def _fetch(self) -> bytes:
        packed = self._file.read(1 << 16)
        self._packed += len(packed)
        if self._packed > self._limits.max_archive_bytes:
            raise too_large(f"the archive has more than {self._limits.max_archive_bytes} bytes")
        return packed

    def _begin(self) -> None:
        self._streams += 1
        if self._streams > self._limits.max_files:  # each costs time, even an empty one
            raise too_large(f"it is more than {self._limits.max_files} gzip streams in a row")
        self._inflate = zlib.decompressobj(31)
        self._between = False

    def _count(self, size: int) -> None:
        self._unpacked += size
        if self._unpacked > self._max_unpacked:
            raise too_large(f"it unpacks to more than {self._max_unpacked} bytes")
        packed = self._packed - len(self._left)
        if self._unpacked > _RATIO_FROM and self._unpacked > self._limits.max_ratio * packed:
            raise too_large(f"it unpacks to more than {self._limits.max_ratio:g} times its size")


def members(stream: Gunzip, limits: Limits) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """The members of an archive, each with its data, which can be read until the next member is asked for."""
    extended: dict[str, str] = {}
    records = 0
    while header := _header(stream):
        if header.type in _EXTENDED:
            records += _extend(extended, header, stream)
            if records > _EXTENDED_RECORDS * limits.max_files + 1000:
                raise too_large("it has too many extended headers")
            continue
        member = _member(header, extended, limits)
        data = stream.pieces(member.size)
        yield member, data
        for _ in data:  # the unread rest
            pass
        stream.exactly(-member.size % BLOCKSIZE)
        extended.clear()
    if extended:
        raise corrupt("it ends too early")
    while stream.read(_CHUNK):  # until the checksum
        pass


def _header(stream: Gunzip) -> tarfile.TarInfo | None:
    block = stream.exactly(BLOCKSIZE)
    if not any(block):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        raise corrupt(f"not a tar, or damaged ({error})") from None
    if header.size < 0:
        raise corrupt("damaged (bad size in a header)")
    return header


def _extend(extended: dict[str, str], header: tarfile.TarInfo, stream: Gunzip) -> int:
    """Add the fields of an extended header for the next member; the number of records."""
    if header.size > _EXTENDED_BYTES:
        raise too_large(f"an extended header has more than {_EXTENDED_BYTES} bytes")
    body = stream.exactly(header.size)
    stream.exactly(-header.size % BLOCKSIZE)
    number = 1
    for key, value in _records(body, _EXTENDED[header.type]):
        number += 1
        if key.startswith("GNU.sparse."):
            raise unsafe("it has sparse files")
        if key in {"path", "linkpath", "size"}:
            if header.type == tarfile.XGLTYPE:
                raise corrupt(f"damaged (one {key} for all members)")
            extended[key] = value
    return number


def _records(body: bytes, key: str) -> Iterator[tuple[str, str]]:
    """The fields of an extended header; one with a fixed key has only its value."""
    if key:
        yield key, body.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        return
    at = 0
    end = len(body.rstrip(b"\0"))
    while at < end:
        digits = body[at : at + 8].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        name, equals, value = body[at + len(digits) + 1 : at + length - 1].partition(b"=")
        if not equals or body[at + length - 1 : at + length] != b"\n":
            raise corrupt("damaged (bad extended header)")
        yield name.decode("utf-8", "replace"), value.decode("utf-8", "surrogateescape")
        at += length


def _member(header: tarfile.TarInfo, extended: Mapping[str, str], limits: Limits) -> Member:
    name = extended.get("path") or header.name
    digits = extended.get("size") or str(header.size)
    kind = _KINDS.get(header.type)
    if kind is None:
        raise unsafe(f"{shown(name)} is neither a file nor a directory nor a link")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 40):
        raise corrupt("damaged (bad size in a header)")
    size = int(digits)
    if kind == "file" and name.endswith("/"):  # directories of old tars, without types
        kind = "directory"
    if size and kind != "file":
        raise corrupt(f"damaged ({kind} {shown(name)} with data)")
    path = _clean(name, limits)
    if not path and kind != "directory":
        raise unsafe(f"the {kind} {shown(name)} has no name")
    target = extended.get("linkpath") or header.linkname
    if kind == "hard link":
        target = _clean(target, limits)
    elif kind == "symbolic link":
        _check_text(target, limits)
    return Member(path, kind, size, bool(header.mode & 0o111), target)


def _check_text(text: str, limits: Limits) -> None:
    if len(text) > limits.max_path_bytes or len(text.encode(errors="replace")) > limits.max_path_bytes:
        raise too_large(f"the path {shown(text)} has more than {limits.max_path_bytes} bytes")
    if not is_utf8(text):
        raise unsafe(f"the name {shown(text)} is not UTF-8")
    if "\0" in text:
        raise unsafe(f"the name {shown(text)} has a NUL")


def _clean(name: str, limits: Limits) -> str:
    _check_text(name, limits)
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if name.startswith("/") or ".." in parts:
        raise unsafe(f"{shown(name)} leads outside the package")
    if len(parts) > limits.max_depth:
        raise too_large(f"{shown(name)} lies in more than {limits.max_depth} directories")
    return "/".join(parts)
