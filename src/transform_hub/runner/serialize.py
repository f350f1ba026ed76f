"""What each Python value is written as in JSON.

    str, int, float, bool, None, list, tuple     as json has them; NaN and infinities: null
    dict, other mappings                         object; keys that are not text, as the text of what they are written as
    dataclass, attrs, pydantic, msgspec.Struct   object of its fields
    Enum                                         what its value is written as
    datetime, date, time                         ISO 8601; timedelta: an ISO 8601 duration
    Decimal, UUID, path                          string; a Decimal that is not finite: null
    set, frozenset, range, deque, view, array    array
    bytes and the like inside a value            base64
    numpy scalar, array                          number, array; datetime64, timedelta64: as above
    pandas, polars, arrow                        see :mod:`transform_hub.runner.frames`

Nothing is imported for this: packages are known by the attributes of their objects. Any other value is refused, with
the path to it and what to do instead.
"""

from __future__ import annotations

import base64
import datetime as dt
import enum
import functools
import json
import math
import os
import sys
from collections.abc import Callable, ItemsView, Iterable, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from dataclasses import fields
from decimal import Decimal
from types import GeneratorType
from typing import Any
from uuid import UUID

from transform_hub.runner import frames

DEPTH_LIMIT = 200
"""Levels that a value may be nested."""

_BINARY = (bytes, bytearray, memoryview)
_LISTS = (Sequence, AbstractSet, ValuesView, ItemsView)


class UnserializableError(TypeError):
    """A value that JSON can't say, and that nothing stands for."""


def plain(value: Any, kept: tuple[type, ...] = ()) -> tuple[Any, str | None]:
    """The value, made of what JSON has alone; slower than ``dumps``, and has an answer to all that it refuses.

    Args:
        value: what is written.
        kept: further types that stay as they are; a missing date or decimal (NaT, NaN) becomes None.

    Returns:
        It, and where its first NaN or infinity was (``$.a[0]``), None if there was none.

    Raises:
        UnserializableError: something in it is not JSON serializable; says where.
    """
    walk = _Walk(kept)
    return walk.plain(value, "$", 0), walk.not_finite


def is_record(value: Any) -> bool:
    """Whether it is one value, although it may be iterated over."""
    return isinstance(value, (str, *_BINARY, Mapping, enum.Enum, type)) or hasattr(value, "_asdict") or _is_model(value)


class _Walk:
    def __init__(self, kept: tuple[type, ...]) -> None:
        self.not_finite: str | None = None
        self._kept = kept
        self._open: set[int] = set()

    def plain(self, value: Any, path: str, depth: int) -> Any:
        if value is None or (isinstance(value, (bool, int, str)) and not isinstance(value, enum.Enum)):
            return value
        if isinstance(value, self._kept):
            return None if value != value and not isinstance(value, float) else value  # noqa: PLR0124
        if isinstance(value, float):
            if math.isfinite(value):
                return value
            self.not_finite = self.not_finite or path
            return None
        if id(value) in self._open:
            raise UnserializableError(f"{path} is a circular reference")
        if depth > DEPTH_LIMIT:
            raise UnserializableError(f"{path[:60]}... is nested more than {DEPTH_LIMIT} levels deep")
        self._open.add(id(value))
        try:
            return self._parts(value, path, depth + 1)
        finally:
            self._open.discard(id(value))

    def _parts(self, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, dict):
            return {(name := _key(key, path)): self.plain(item, f"{path}.{name}", depth) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(item, f"{path}[{index}]", depth) for index, item in enumerate(value)]
        try:
            converted = convert(value)
        except UnserializableError as error:
            raise UnserializableError(f"{path}: {error}") from None
        return self.plain(converted, path, depth)


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return key
    if not (key is None or isinstance(key, (bool, int, float))):
        try:
            converted = convert(key)
        except UnserializableError as error:
            raise UnserializableError(f"a key of {path}: {error}") from None
        if isinstance(converted, str):
            return converted
        if isinstance(converted, (list, tuple, dict)):
            raise UnserializableError(f"a key of {path} is a {_name(type(key))}; make it a string")
        key = converted
    return json.dumps(key)


def convert(value: Any) -> Any:
    """What stands for a value of a type that json does not know; its parts may need the same.

    Raises:
        UnserializableError: nothing does.
    """
    return _converter(type(value))(value)  # type: ignore[arg-type]


dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=convert).encode
"""A value as JSON.

Raises:
    UnserializableError: something in it is not JSON serializable.
    ValueError: it has NaN or an infinity, or contains itself.
    TypeError: a key is not text, number, bool or None.
"""


@functools.lru_cache(maxsize=1024)
def _converter(cls: type) -> Callable[[Any], Any]:
    """Which function converts values of a type; the order matters: many are subclasses of others."""
    for types, converter in _CONVERTERS:
        if issubclass(cls, types):
            return converter
    return _of_package(cls) or (list if issubclass(cls, _LISTS) else _refuse)


def _of_package(cls: type) -> Callable[[Any], Any] | None:
    if (of_frames := frames.converter(cls)) is not None:
        return of_frames
    if _is_model(cls):
        return _fields
    return _numpy if cls.__module__.partition(".")[0] == "numpy" else None


def _is_model(value: Any) -> bool:
    """Whether a class, or a value of it, has declared fields."""
    cls = value if isinstance(value, type) else type(value)
    return any(hasattr(cls, mark) for mark in _MODELS)


_KEPT = (bytes, dt.datetime, dt.date, dt.time, dt.timedelta, Decimal, UUID)
_SURE = frozenset((*_KEPT, str, int, float, bool, type(None)))


def _pydantic(value: Any) -> Any:
    """The fields of a model; what only pydantic knows, as it writes it in JSON."""
    dumped = value.model_dump()
    if not isinstance(dumped, dict):
        return dumped
    for name, part in dumped.items():
        if type(part) in _SURE:
            continue
        try:
            plain(part)
        except UnserializableError:
            alone = value.model_dump(mode="json", include={name})
            dumped[name] = alone[name] if name in alone else value.model_dump(mode="json")[name]
    return dumped


def _attributes(value: Any, fields_: Iterable[Any]) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields_}


def _struct(value: Any) -> Any:
    return sys.modules["msgspec"].to_builtins(value, builtin_types=_KEPT, enc_hook=_struct_part, str_keys=True)


def _struct_part(value: Any) -> Any:
    """A part of a msgspec.Struct, made of what msgspec has."""
    return plain(value)[0]


_MODELS: dict[str, Callable[[Any], Any]] = {
    "model_dump": _pydantic,  # pydantic 2
    "__fields_set__": lambda value: value.dict(),  # pydantic 1
    "__struct_fields__": _struct,
    "__attrs_attrs__": lambda value: _attributes(value, value.__attrs_attrs__),
    "__dataclass_fields__": lambda value: _attributes(value, fields(value)),
}
"""By which attribute the classes of each package are known, and what makes a dict of their objects."""


def _fields(value: Any) -> Any:
    cls = type(value)
    mark = next(mark for mark in _MODELS if hasattr(cls, mark))
    try:
        return _MODELS[mark](value)
    except UnserializableError:
        raise
    except Exception as error:
        raise UnserializableError(f"{_name(cls)} can't be made a dict: {error}") from error


def _numpy(value: Any) -> Any:
    kind = value.dtype.kind
    if value.shape:
        return [_numpy(item) for item in value] if kind in "mMV" else value.tolist()
    if kind == "M":
        return None if str(value) == "NaT" else str(value)  # ISO 8601, without a zone
    if kind == "m":
        return None if str(value) == "NaT" else duration(int(value.astype("timedelta64[ns]").astype("int64")))
    if kind == "V":
        names = value.dtype.names
        return {name: value[name] for name in names} if names else bytes(value)
    if kind == "c":
        _refuse(value)
    return float(value) if kind == "f" else value.item()


def duration(nanoseconds: int) -> str:
    """An ISO 8601 duration: ``P1DT2H3M4.5S``, ``-PT0.1S``."""
    seconds, fraction = divmod(abs(nanoseconds), 1_000_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = f"{hours}H" * (hours > 0) + f"{minutes}M" * (minutes > 0)
    if seconds or fraction or not (days or parts):
        parts += f"{seconds}{f'.{fraction:09d}'.rstrip('0') if fraction else ''}S"
    return "-" * (nanoseconds < 0) + "P" + f"{days}D" * (days > 0) + f"T{parts}" * (parts != "")


def _timedelta(value: dt.timedelta) -> str:
    if hasattr(value, "value"):  # pandas has nanoseconds
        return duration(int(value.value))
    return duration((value.days * 86_400 + value.seconds) * 1_000_000_000 + value.microseconds * 1000)


def _refuse(value: Any) -> Any:
    cls = type(value)
    if isinstance(value, GeneratorType) or hasattr(cls, "__next__"):
        remedy = "make a list of it"
    elif hasattr(cls, "__aiter__") or hasattr(cls, "__await__"):
        remedy = "await it, or iterate over it, and yield what it gives"
    elif hasattr(cls, "collect"):
        remedy = "collect() it"
    else:
        remedy = "give a dict, a list, a dataclass or str() of it"
    raise UnserializableError(f"{_name(cls)} is not JSON serializable; {remedy}")


def _name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def _base64(value: Any) -> str:
    return base64.b64encode(value).decode()


_CONVERTERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (enum.Enum, lambda value: value.value),
    ((dt.datetime, dt.date, dt.time), lambda value: None if value != value else value.isoformat()),  # noqa: PLR0124 - pandas.NaT
    (dt.timedelta, lambda value: None if value != value else _timedelta(value)),  # noqa: PLR0124
    (Decimal, lambda value: str(value) if value.is_finite() else None),
    (UUID, str),
    (os.PathLike, lambda value: os.fsdecode(os.fspath(value))),
    (_BINARY, _base64),
    (Mapping, dict),
)
