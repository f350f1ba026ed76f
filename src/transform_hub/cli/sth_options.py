"""Options of ``sth``: one for each setting, and those of other functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, TypeVar

import typer

from transform_hub.hub.config import DaemonConfig
from transform_hub.hub.setting import Setting, settings_of

F = TypeVar("F", bound=Callable[..., Any])


def with_options(*groups: Iterable[inspect.Parameter]) -> Callable[[F], F]:
    """Replace the ``**`` parameter of a command by options."""

    def decorate(command: F) -> F:
        *own, _ = options_of(command)
        command.__signature__ = inspect.Signature([*own, *(each for group in groups for each in group)])  # type: ignore[attr-defined]
        return command

    return decorate


def options_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The options that a function declares."""
    return list(inspect.signature(function, eval_str=True).parameters.values())


def settings_options() -> Iterator[inspect.Parameter]:
    """An option for each setting."""
    for each in settings_of(DaemonConfig):
        kind, default = each.type, each.given_by_default
        if isinstance(default, (tuple, dict)):
            kind, default = list[str], None
        if each.parse:
            kind = Any
        yield inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, _option(each)]
        )


def _option(setting: Setting) -> Any:
    return typer.Option(
        *setting.flags.split(),
        help=setting.help,
        rich_help_panel=setting.panel,
        min=setting.min,
        max=setting.max,
        metavar=setting.metavar,
        parser=_parser(setting.parse) if setting.parse else None,
        show_envvar=False,  # the rule says it better than forty names
        show_default=setting.type is not bool or "/" in setting.flags,
    )


def _parser(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    def parsed(value: Any) -> Any:
        if not isinstance(value, str):  # a list or object of the configuration file
            return value
        try:
            return parse(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parsed
