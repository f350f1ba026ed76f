"""Reading gzip from untrusted sources, within limits."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from tarfile import BLOCKSIZE
from typing import BinaryIO

from transform_hub.errors import PackageError
from transform_hub.package.refusals import GZIP, corrupt, not_gzip, too_large

CHUNK = 256 * 1024
_RATIO_FROM = 32 << 20


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
        self._head = b""
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
            data = self.read(min(size, CHUNK))
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
                data = self._inflate.decompress(packed, CHUNK)
            except zlib.error as error:
                raise self._damaged(str(error).rpartition(": ")[2]) from None
            self._between = self._inflate.eof
            self._left = self._inflate.unused_data if self._between else self._inflate.unconsumed_tail
            if data:
                self._count(len(data))
                return data
            if not packed and not self._between:
                raise corrupt("it ends too early" if self._packed else "it is empty")

    def _damaged(self, reason: str) -> PackageError:
        if not self._head.startswith(GZIP):
            return not_gzip(self._head, f" ({reason})")
        if self._streams > 1 and reason == "incorrect header check":
            return corrupt("it is damaged: something other than gzip follows its end")
        return corrupt(f"it is damaged: {reason}")

    def _fetch(self) -> bytes:
        packed = self._file.read(1 << 16)
        if len(self._head) < BLOCKSIZE and self._streams == 1:
            self._head += packed[:BLOCKSIZE]
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
