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

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from copy import copy
from types import NoneType
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Setting:
    """The declaration of one setting; :func:`settings_of` adds its field."""

    flags: str  # options, separated by spaces; the last one names the setting
    key: str  # in the configuration file and, if shown, in GET /config
    help: str
    panel: str = ""  # heading in the help
    min: float | None = None  # of the option; serve() has no limits
    max: float | None = None
    metavar: str | None = None
    parse: Callable[[str], Any] | None = None  # of the option; raises ValueError
    unit: int = 1  # of the option, e.g. a MiB for a field in bytes
    shown: bool = False  # never for secrets, and for paths of this machine
    secret: bool = False  # left out of the repr
    sth_default: Any = None  # where it is not that of the field

    path: tuple[str, ...] = ()  # the field, and within a group the field of its object
    type: Any = None
    default: Any = None  # of sth
    group: Any = None  # class of the object

    @property
    def name(self) -> str:
        """Its parameter in ``sth``."""
        return self.flags.split()[-1].partition("/")[0].removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return f"STH_{self.name.upper()}"

    @property
    def option_default(self) -> Any:
        """The default in the unit of the option."""
        return self.default if self.unit == 1 else self.default // self.unit

    @property
    def file_type(self) -> Any:
        """Type of its value in the configuration file, for msgspec; paths and enums are text there."""
        kind = _without_none(self.type)
        kind = kind if kind in (bool, int, float) or typing.get_origin(kind) else str
        return kind | str if self.parse else kind

    @property
    def is_required(self) -> bool:
        """Whether its group needs it."""
        return self.group is not None and not hasattr(self.group, self.path[1])

    def value(self, given: Any) -> Any:
        """The value of the field for a value of the option."""
        if isinstance(self.default, (tuple, dict)):
            return type(self.default)(given or ())
        return given if self.unit == 1 else given * self.unit

    def read(self, config: Any) -> Any:
        """Its value in a configuration."""
        return functools.reduce(getattr, self.path, config)


class Panel:
    """Declares settings under a heading of ``sth --help``."""

    def __init__(self, heading: str) -> None:
        self._heading = heading

    def __call__(self, default: T, flags: str, key: str, help: str, **more: Any) -> T:
        """A field with a setting; to type checkers it is its default."""
        return self._field(default, {"": Setting(flags, key, help, **more)}, repr=not more.get("secret"))

    def group(self, default: T, **members: Setting) -> T:
        """A field with an object that has settings, by the names of its fields.

        With None as default the object is made when its required fields are set.
        """
        return self._field(default, members)

    def _field(self, default: T, members: Mapping[str, Setting], *, repr: bool = True) -> T:
        members = {name: dataclasses.replace(each, panel=self._heading) for name, each in members.items()}
        metadata = {"settings": members, "default": default}
        if isinstance(default, (dict, msgspec.Struct)):  # mutable
            return dataclasses.field(default_factory=functools.partial(copy, default), repr=repr, metadata=metadata)
        return dataclasses.field(default=default, repr=repr, metadata=metadata)


@functools.cache
def settings_of(config: Any) -> tuple[Setting, ...]:
    """The settings that a dataclass declares, in order."""
    found: list[Setting] = []
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        for member, setting in field.metadata.get("settings", {}).items():
            known = {"path": (field.name,), "type": hints[field.name], "default": field.metadata["default"]}
            if member:
                group = _without_none(known["type"])
                default = getattr(known["default"] or group, member, None)
                hint = typing.get_type_hints(group)[member]
                known = {"path": (field.name, member), "type": hint, "default": default, "group": group}
            if setting.sth_default is not None:
                known["default"] = setting.sth_default
            found.append(dataclasses.replace(setting, **known))
    return tuple(found)


def configure(config: Callable[..., T], given: Mapping[str, Any], **fields: Any) -> T:
    """Make a configuration.

    Args:
        config: a dataclass with settings.
        given: values of all options, by name.
        fields: those that are no settings.

    Raises:
        ValueError: an option is given without another that it needs.
    """
    groups: dict[str, list[Setting]] = {}
    for each in settings_of(config):
        if each.group:
            groups.setdefault(each.path[0], []).append(each)
        else:
            fields[each.path[0]] = each.value(given[each.name])
    return config(**fields, **{field: _grouped(members, given) for field, members in groups.items()})


def _grouped(members: list[Setting], given: Mapping[str, Any]) -> Any:
    missing = [each.flags for each in members if each.is_required and given[each.name] is None]
    if not missing:
        return members[0].group(**{each.path[1]: each.value(given[each.name]) for each in members})
    for each in members:
        if each.default is None and given[each.name] is not None:
            raise ValueError(f"{each.flags} needs {missing[0]}")
    return None


def _without_none(hint: Any) -> Any:
    kinds = [kind for kind in typing.get_args(hint) if kind is not NoneType]
    return kinds[0] if NoneType in typing.get_args(hint) else hint
