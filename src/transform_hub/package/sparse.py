"""Sparse files in archives: where the stored bytes of a member go, between holes.

    GNU      a header of type S has four extents, and says whether blocks of 21 more follow it
    PAX 0.0  records GNU.sparse.offset and GNU.sparse.numbytes, one after the other
    PAX 0.1  one record GNU.sparse.map with all of these numbers, separated by commas
    PAX 1.0  the stored data begins with these numbers in lines, their count first, filled up to a multiple of 512

The size of the whole, which limits count, is in the header, or in GNU.sparse.size or GNU.sparse.realsize.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from tarfile import BLOCKSIZE
from typing import BinaryIO

Extents = tuple[tuple[int, int], ...]
"""Offset and size of each, in order."""

MAX_EXTENTS = 100_000
_EXTENT = 24
_NUMBER = 12
_LONGEST_LINE = 20


class SparseError(ValueError):
    """The map of a sparse file is damaged, or too long."""


def gnu_map(header: bytes, more: Callable[[], bytes]) -> tuple[Extents, int]:
    """Extents and whole size of a member of type S.

    Args:
        header: its block.
        more: reads the next block.

    Raises:
        SparseError: it is damaged.
    """
    numbers = list(_numbers(header[386:482]))
    goes_on = header[482]
    while goes_on:
        block = more()
        numbers += _numbers(block[:504])
        goes_on = block[504]
        if len(numbers) > 2 * MAX_EXTENTS:
            raise SparseError("too many extents")
    size = _number(header[483:495])
    return checked(numbers, size), size


def _numbers(structs: bytes) -> Iterator[int]:
    for at in range(0, len(structs), _EXTENT):
        if structs[at] == 0:  # the rest is not used
            return
        yield _number(structs[at : at + _NUMBER])
        yield _number(structs[at + _NUMBER : at + _EXTENT])


def _number(field: bytes) -> int:
    try:
        return int(tarfile.nti(field))  # type: ignore[attr-defined]  # as in all headers
    except tarfile.HeaderError:
        raise SparseError("bad number") from None


def stored_map(more: Callable[[], bytes], size: int) -> tuple[Extents, int]:
    """Extents of PAX 1.0, and the bytes that the map takes.

    Args:
        more: reads the next block.
        size: of the whole.

    Raises:
        SparseError: it is damaged.
    """
    blocks = 0
    left = b""

    def line() -> int:
        nonlocal blocks, left
        while b"\n" not in left:
            if len(left) > _LONGEST_LINE:
                raise SparseError("bad number")
            left += more()
            blocks += 1
        digits, _, left = left.partition(b"\n")
        return parsed(digits.decode("ascii", "replace"))

    count = line()
    if count > MAX_EXTENTS:
        raise SparseError("too many extents")
    return checked([line() for _ in range(2 * count)], size), blocks * BLOCKSIZE


def parsed(digits: str) -> int:
    """A number of a map.

    Raises:
        SparseError: it is none.
    """
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_LINE):
        raise SparseError("bad number")
    return int(digits)


def checked(numbers: list[int], size: int) -> Extents:
    """Extents made of their numbers: they follow each other, and end within the whole.

    Raises:
        SparseError: they don't.
    """
    extents = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    end = 0
    for offset, length in extents:
        if offset < end or length < 0:
            raise SparseError("extents overlap")
        end = offset + length
    if len(numbers) % 2 or end > size or len(extents) > MAX_EXTENTS:
        raise SparseError("extents beyond the end")
    return extents


def write(file: BinaryIO, data: Iterator[bytes], extents: Extents, size: int) -> None:
    """Write the stored bytes of a sparse file where they belong; what is between them stays a hole."""
    left = iter(extents)
    room = 0
    for piece in data:
        at = 0
        while at < len(piece):
            while not room:
                offset, room = next(left)
                file.seek(offset)
            part = piece[at : at + room]
            file.write(part)
            at += len(part)
            room -= len(part)
    file.truncate(size)
