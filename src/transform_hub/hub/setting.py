"""A setting is declared once, as a field of a dataclass.

    api = Panel("API")
    port: int = api(8000, "-P --port", "host.port", "Port; 0 picks a free one.", shown=True)

From that come

    sth --help     the option --port under "API"
    environment    STH_PORT
    --config       the key {"host": {"port": ...}}
    GET /config    the same key, as it is shown
    docs/hub.md    a row of the table, written by `make docs`
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

T = TypeVar("T")

_AS_FIELD: Any = object()
"""The default of ``sth`` is that of the field."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting, wherever it can be given or seen.

    Attributes:
        flags: its options, separated by spaces; the last one names it.
        key: its place in the configuration file, and in ``GET /config`` if it is ``shown``.
        help: one line for ``sth --help`` and the documentation.
        panel: heading in ``sth --help``.
        min, max: range of the option; a Hub made in Python may go beyond.
        metavar: what ``sth --help`` calls the value.
        parse: makes the value from the text of the option; raises ValueError.
        unit: what the value is multiplied with for the field, e.g. bytes in a MiB.
        shown: whether ``GET /config`` has it: no secrets, no paths of this machine.
        secret: whether to keep it out of the text of the configuration.
        sth_default: default of ``sth``, where it is not that of the field.
        path: the field, and the field of the object in it if that is a group.
        type: of the field.
        default: of ``sth``, as the field has it.
        group: class of the group that it is in.
        is_required: whether there is no group without it.
    """

    flags: str
    key: str
    help: str
    _: dataclasses.KW_ONLY
    panel: str = ""
    min: float | None = None
    max: float | None = None
    metavar: str | None = None
    parse: Callable[[str], Any] | None = None
    unit: int = 1
    shown: bool = False
    secret: bool = False
    sth_default: Any = _AS_FIELD
    path: tuple[str, ...] = ()
    type: Any = None
    default: Any = None
    group: Any = None
    is_required: bool = False

    @property
    def name(self) -> str:
        """Of the parameter that ``sth`` has for it."""
        return self.flags.split()[-1].partition("/")[0].removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"STH_{self.name.upper()}"

    @property
    def given_by_default(self) -> Any:
        """The default in the unit of the option."""
        return self.default if self.unit == 1 else self.default // self.unit

    @property
    def file_type(self) -> Any:
        """What the configuration file may have for it, to msgspec."""
        if self.type == tuple[str, ...]:
            return str | list[str] if self.parse else list[str]
        if self.type == dict[str, str]:
            return str | dict[str, str]
        kind = _without_none(self.type)
        return kind if kind in (bool, int, float) else str

    def value(self, given: Any) -> Any:
        """What the field is set to when ``sth`` was given this."""
        if isinstance(self.default, (tuple, dict)):
            return type(self.default)(given or ())
        return given if self.unit == 1 else given * self.unit

    def read(self, config: Any) -> Any:
        """Its value in a configuration."""
        return functools.reduce(getattr, self.path, config)


class Panel:
    """Settings under one heading of ``sth --help``."""

    def __init__(self, heading: str) -> None:
        self._heading = heading

    def __call__(self, default: T, flags: str, key: str, help: str, **more: Any) -> T:
        """A field of a dataclass that is a :class:`Setting`; to type checkers it is its default."""
        declared = Setting(flags, key, help, panel=self._heading, **more)
        return _field(default, declared, repr=not declared.secret)

    def group(self, default: T, **members: Setting) -> T:
        """A field of a dataclass whose object has settings.

        Args:
            default: the object by default; None if there is one only when all that it requires is given.
            members: settings by the name of its fields.
        """
        return _field(default, {name: replace(each, panel=self._heading) for name, each in members.items()})


def _field(default: T, declared: Any, *, repr: bool = True) -> T:
    metadata = {"declared": declared}
    if default is None or isinstance(default, (bool, int, float, str, tuple)):
        return dataclasses.field(default=default, repr=repr, metadata=metadata)
    return dataclasses.field(default_factory=functools.partial(copy.copy, default), repr=repr, metadata=metadata)


@functools.cache
def settings_of(config: Any) -> tuple[Setting, ...]:
    """The settings that a dataclass declares, in order."""
    found: list[Setting] = []
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        declared = field.metadata.get("declared")
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if isinstance(declared, Setting):
            found.append(_placed(declared, path=(field.name,), type=hints[field.name], default=default))
        elif declared is not None:
            found += _members(field.name, declared, _without_none(hints[field.name]), default)
    return tuple(found)


def _members(field: str, members: Mapping[str, Setting], kind: type, default: Any) -> list[Setting]:
    hints = typing.get_type_hints(kind)
    return [
        _placed(
            declared,
            path=(field, name),
            type=hints[name],
            default=getattr(kind if default is None else default, name, None),
            group=kind,
            is_required=default is None and not hasattr(kind, name),
        )
        for name, declared in members.items()
    ]


def _placed(declared: Setting, *, default: Any, **known: Any) -> Setting:
    default = default if declared.sth_default is _AS_FIELD else declared.sth_default
    return replace(declared, default=default, **known)


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return next(each for each in typing.get_args(hint) if each is not types.NoneType)
    return hint


def configure(config: type[T], given: Mapping[str, Any], **others: Any) -> T:
    """A configuration from what ``sth`` was given.

    Args:
        config: a dataclass with settings.
        given: their values by name, defaults included.
        others: fields that are no settings.

    Raises:
        ValueError: something is given that needs something else.
    """
    groups: dict[str, list[Setting]] = {}
    kind: Any = config
    for each in settings_of(kind):
        if each.group is None:
            others[each.path[0]] = each.value(given[each.name])
        else:
            groups.setdefault(each.path[0], []).append(each)
    return config(**others, **{field: _grouped(members, given) for field, members in groups.items()})


def _grouped(members: list[Setting], given: Mapping[str, Any]) -> Any:
    missing = [each.flags for each in members if each.is_required and given[each.name] is None]
    if not missing:
        return members[0].group(**{each.path[1]: each.value(given[each.name]) for each in members})
    for each in members:
        if each.default is None and given[each.name] is not None:
            raise ValueError(f"{each.flags} needs {missing[0]}")
    return None


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of ``{"host.port": 8000, ...}``."""
    found: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        functools.reduce(lambda section, each: section.setdefault(each, {}), sections, found)[name] = value
    return found
