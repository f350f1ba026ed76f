"""Ranges of versions, as ``engines`` in a package.json has them.

3.9.0  3  v16.15        that version or a later one: Sequences name the version they were written with
3.x  3.9.*  *           any version that begins so
>=3.8 <4  >=3.8,<4      all of these
^16.2  ~16.2  ~=3.9     up to the next major (^), minor (~), or as in Python's packaging (~=)
16 || >=18              one of these
3.8 - 3.11              from, to and including
"""

from __future__ import annotations

import re
from math import inf

_NUMBER = r"\d+|[xX*]"
_VERSION = rf"v?(?:{_NUMBER})(?:\.(?:{_NUMBER}))*[-+.\w]*"
_COMPARATOR = re.compile(rf"\s*,?\s*(===?|~=|[<>]=|!=|[<>=^~]|)\s*({_VERSION})\s*")
_WILDCARD = re.compile(r"v?(\d+\.)*[xX*]")
_HYPHEN = re.compile(rf"\s*({_VERSION})\s+-\s+({_VERSION})\s*")

Version = tuple[float, ...]


def is_in_range(version: str, wanted: str) -> bool:
    """Whether a version is one of those that a range describes.

    Raises:
        ValueError: that is no range.
    """
    parts = _parts(version)
    met = [_meets_all(parts, alternative) for alternative in wanted.split("||")]  # what follows a met one counts too
    return any(met)


def _meets_all(version: Version, wanted: str) -> bool:
    if hyphen := _HYPHEN.fullmatch(wanted):
        return _meets(version, ">=", hyphen[1]) and _meets(version, "<=", hyphen[2])
    met, place = True, 0
    while wanted[place:].strip():
        comparator = _COMPARATOR.match(wanted, place)
        if comparator is None:
            raise ValueError(wanted)
        met = _meets(version, comparator[1], comparator[2]) and met
        place = comparator.end()
    return met


def _meets(version: Version, operator: str, wanted: str) -> bool:
    parts = _parts(wanted)
    above = _next(parts, len(parts) - 1)
    if operator == "" and not _WILDCARD.match(wanted):
        operator = ">="
    significant = next((index for index, part in enumerate(parts) if part), len(parts) - 1)
    ranges: dict[str, tuple[Version, Version]] = {
        ">=": (parts, (inf,)),
        ">": (above, (inf,)),
        "<": ((), parts),
        "<=": ((), above),
        "^": (parts, _next(parts, significant)),
        "~": (parts, _next(parts, min(1, len(parts) - 1))),
        "~=": (parts, _next(parts, max(len(parts) - 2, 0))),
    }
    low, high = ranges.get(operator, (parts, above))
    return (low <= version < high) != (operator == "!=")


def _parts(version: str) -> Version:
    """The numbers a version begins with, up to a wildcard."""
    numbers = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in numbers[1].split(".")[:3]) if numbers else ()


def _next(parts: Version, index: int) -> Version:
    """The first version after all that begin as this one does up to a place."""
    return (*parts[:index], parts[index] + 1) if parts else (inf,)
