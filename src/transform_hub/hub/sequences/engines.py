"""What a Sequence needs to run, by ``engines`` in its package.json, and whether a Hub has it.

``engines`` names one engine and a range of its versions:

    3.9.0  3  v16.15        that version or a later one: Sequences name the version they were written with
    3.x  3.9.*  *           any version that begins so
    >=3.8 <4  >=3.8,<4      all of these
    ^16.2  ~16.2  ~=3.9     up to the next major (^), minor (~), or as in Python's packaging (~=)
    16 || >=18              one of these
    3.8 - 3.11              from, to and including

Without engines the extension of ``main`` decides: ``.py`` is Python, all else is run by Node.js.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import inf

from transform_hub.hub.errors import ApiError
from transform_hub.models import SequenceConfig

PRODUCTS = {"python3": "Python", "node": "Node.js"}
INSTALL = {"python3": "install it there", "node": "install Node.js 18 or later, so that `node` is on the Hub's PATH"}
_BY_LANGUAGE = {"py": "python3", "js": "node", "mjs": "node", "cjs": "node", "unknown": "node"}
_NOT_ENGINES = frozenset({"npm", "yarn", "pnpm"})  # they install packages, and run none

_NUMBER = r"\d+|[xX*]"
_VERSION = rf"v?(?:{_NUMBER})(?:\.(?:{_NUMBER}))*[-+.\w]*"
_COMPARATOR = re.compile(rf"\s*,?\s*(===?|~=|[<>]=|!=|[<>=^~]|)\s*({_VERSION})\s*")
_WILDCARD = re.compile(r"v?(\d+\.)*[xX*]")
_HYPHEN = re.compile(rf"\s*({_VERSION})\s+-\s+({_VERSION})\s*")

Version = tuple[float, ...]


def engine_of(config: SequenceConfig) -> str:
    """The engine that runs a Sequence: ``python3`` or ``node``.

    Raises:
        ApiError: it names more than one, or one that no Hub has.
    """
    if len(config.engines) > 1:
        raise ApiError(
            400, "Incorrect config passed to SequenceConfig,'engines' field can't contain more than one element"
        )
    for engine in config.engines:
        if engine in PRODUCTS:
            return engine
        if engine not in _NOT_ENGINES:
            raise ApiError(400, f"This Sequence needs {engine!r}; Hubs run {' and '.join(PRODUCTS)} Sequences")
    if config.language not in _BY_LANGUAGE:
        raise ApiError(
            400, f"{config.entrypoint_path} is not a program for Python or Node.js: compile it, or name its engine"
        )
    return _BY_LANGUAGE[config.language]


def require_engine(config: SequenceConfig, available: Mapping[str, str]) -> str:
    """The engine of a Sequence, which this Hub has in the right version.

    Args:
        config: the Sequence's.
        available: the versions of the engines that the Hub has, e.g. ``{"python3": "3.11.7"}``.

    Raises:
        ApiError: it does not have it.
    """
    engine = engine_of(config)
    wanted = config.engines.get(engine, "*")
    product = PRODUCTS[engine]
    if engine not in available:
        raise ApiError(400, f"This Sequence needs {product}, which this Hub does not have: {INSTALL[engine]}")
    try:
        served = is_in_range(available[engine], wanted)
    except ValueError:
        raise ApiError(400, f"engines.{engine} of this Sequence is no range of versions: {wanted!r}") from None
    if not served:
        raise ApiError(400, f"This Sequence needs {product} {wanted}; this Hub has {available[engine]}")
    return engine


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
