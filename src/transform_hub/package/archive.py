r"""Reading tar.gz archives from untrusted sources.

``tarfile`` only parses single headers here: it takes a damaged header for the end of the archive, reads a long-name
header of any size into memory, and its extraction filters have had bypasses in the Pythons we support.

    archive   member*, a block of zeros, anything; all of it gzip'd, and gzip has a checksum in its trailer
    member    extended header*, header (512 bytes), data, zeros up to a multiple of 512
    header    of a file, directory, hard or symbolic link; V: a label, which is left out; other types are refused
    extended  type x or g: records "<length> <key>=<value>\n"; L, K: the name or target of the next member
    S         a sparse file, see :mod:`transform_hub.package.sparse`
    D         a directory of an incremental archive, whose data lists what was in it: that is left out
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from tarfile import BLOCKSIZE
from typing import Literal

from transform_hub.package import sparse
from transform_hub.package.gunzip import CHUNK, Gunzip, Limits
from transform_hub.package.refusals import corrupt, foreign, shown, too_large, unsafe
from transform_hub.package.sparse import Extents, SparseError

Kind = Literal["file", "directory", "hard link", "symbolic link"]

_EXTENDED_BYTES = 1 << 20  # extended headers hold file attributes, so they may be large
_EXTENDED_RECORDS = 20  # per file; each costs time
_EXTENDED = {
    tarfile.XHDTYPE: "",
    tarfile.XGLTYPE: "",
    tarfile.GNUTYPE_LONGNAME: "path",
    tarfile.GNUTYPE_LONGLINK: "linkpath",
}
_LABEL = b"V"
_DUMPDIR = b"D"
_KINDS: dict[bytes, Kind] = {
    tarfile.AREGTYPE: "file",
    tarfile.REGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    b"D": "directory",
    tarfile.DIRTYPE: "directory",
    tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "symbolic link",
}


@dataclass(frozen=True)
class Member:
    """One file, directory or link of an archive, its name normalized; the name of the root is empty.

    Attributes:
        size: of the whole file, with its holes.
        extents: where the stored bytes of a sparse file go.
    """

    name: str
    kind: Kind
    size: int
    executable: bool
    target: str
    extents: Extents | None = None


@dataclass
class _Extended:
    """What extended headers say of the next member."""

    fields: dict[str, str] = field(default_factory=dict)
    extents: list[str] = field(default_factory=list)  # of PAX 0.0 and 0.1: offset, size, offset, size ...


def is_utf8(name: str) -> bool:
    """Whether a name was UTF-8 before it was decoded with ``surrogateescape``."""
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def members(stream: Gunzip, limits: Limits) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """The members of an archive, each with its data, which can be read until the next member is asked for."""
    extended = _Extended()
    records = 0
    while block := _block(stream):
        header = _header(block)
        if header.type in _EXTENDED:
            records += _extend(extended, header, stream)
            if records > _EXTENDED_RECORDS * limits.max_files + 1000:
                raise too_large("it has too many extended headers")
            continue
        if header.type == _LABEL:
            for _ in stream.pieces(header.size + -header.size % BLOCKSIZE):
                pass
            extended = _Extended()
            continue
        member, stored = _member(block, header, extended, stream, limits)
        records += len(member.extents or ())
        data = stream.pieces(stored)
        yield member, iter(()) if header.type == _DUMPDIR else data
        for _ in data:  # the unread rest
            pass
        stream.exactly(-stored % BLOCKSIZE)
        extended = _Extended()
    if extended != _Extended():
        raise corrupt("it ends too early")
    while stream.read(CHUNK):  # until the checksum
        pass


def _block(stream: Gunzip) -> bytes:
    """The next header; nothing at the end."""
    block = stream.exactly(BLOCKSIZE)
    return block if any(block) else b""


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        if found := foreign(block):
            raise corrupt(f"in gzip it is {found}, not a tar") from None
        raise corrupt(f"not a tar, or damaged ({error})") from None
    if header.size < 0:
        raise corrupt("damaged (bad size in a header)")
    if block[257:263] != b"ustar\0":  # GNU has times where POSIX has the beginning of a long name
        name = block[:100].partition(b"\0")[0].decode("utf-8", "surrogateescape")
        header.name = name.rstrip("/") if header.isdir() else name  # as tarfile does
    return header


def _extend(extended: _Extended, header: tarfile.TarInfo, stream: Gunzip) -> int:
    """Add the fields of an extended header for the next member; the number of records."""
    if header.size > _EXTENDED_BYTES:
        raise too_large(f"an extended header has more than {_EXTENDED_BYTES} bytes")
    body = stream.exactly(header.size)
    stream.exactly(-header.size % BLOCKSIZE)
    number = 1
    for key, value in _records(body, _EXTENDED[header.type]):
        number += 1
        if key in {"path", "linkpath", "size"} or key.startswith("GNU.sparse."):
            if header.type == tarfile.XGLTYPE:
                raise corrupt(f"damaged (one {key} for all members)")
            if key in {"GNU.sparse.offset", "GNU.sparse.numbytes"}:
                extended.extents.append(value)
            elif key == "GNU.sparse.map":
                extended.extents = value.split(",")
            else:
                extended.fields[key] = value
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


def _member(
    block: bytes, header: tarfile.TarInfo, extended: _Extended, stream: Gunzip, limits: Limits
) -> tuple[Member, int]:
    """A member, and how many bytes of its data follow."""
    fields = extended.fields
    name = fields.get("GNU.sparse.name") or fields.get("path") or header.name
    kind = _KINDS.get(header.type)
    if kind is None:
        raise unsafe(f"{shown(name)} is neither a file nor a directory nor a link")
    stored = _size(fields.get("size") or str(header.size))
    if kind == "file" and name.endswith("/"):  # directories of old tars, without types
        kind = "directory"
    path = _clean(name, limits)
    if not path and kind != "directory":
        raise unsafe(f"the {kind} {shown(name)} has no name")
    try:
        size, stored, extents = _sparse(block, header, extended, stream, stored)
    except SparseError as error:
        raise corrupt(f"damaged (the sparse file {shown(name)}: {error})") from None
    if stored and kind != "file" and header.type != _DUMPDIR:
        raise corrupt(f"damaged ({kind} {shown(name)} with data)")
    target = fields.get("linkpath") or header.linkname
    if kind == "hard link":
        target = _clean(target, limits)
    elif kind == "symbolic link":
        _check_text(target, limits)
    size = size if kind == "file" else 0
    return Member(path, kind, size, bool(header.mode & 0o111), target, extents), stored


def _size(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) < 40):
        raise corrupt("damaged (bad size in a header)")
    return int(digits)


def _sparse(
    block: bytes, header: tarfile.TarInfo, extended: _Extended, stream: Gunzip, stored: int
) -> tuple[int, int, Extents | None]:
    """Size of the whole, of what is stored, and where that goes; None if the file is not sparse.

    Raises:
        SparseError: its map is damaged.
    """
    fields = extended.fields
    whole = fields.get("GNU.sparse.realsize") or fields.get("GNU.sparse.size")
    if header.type == tarfile.GNUTYPE_SPARSE:
        extents, size = sparse.gnu_map(block, lambda: stream.exactly(BLOCKSIZE))
    elif whole is None or header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        return stored, stored, None
    elif fields.get("GNU.sparse.major") == "1":
        size = sparse.parsed(whole)
        extents, taken = sparse.stored_map(lambda: stream.exactly(BLOCKSIZE), size)
        stored -= taken
    else:
        size = sparse.parsed(whole)
        extents = sparse.checked([sparse.parsed(number) for number in extended.extents], size)
    if sum(length for _, length in extents) != stored:
        raise SparseError("its map and its data differ")
    return size, stored, extents


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
