"""The parameters of ``sth``: one for each setting, and those of other functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, TypeVar

import typer

from transform_hub.hub.config import DaemonConfig
from transform_hub.hub.setting import Setting, settings_of

F = TypeVar("F", bound=Callable[..., Any])


def with_options(options: Iterable[inspect.Parameter]) -> Callable[[F], F]:
    """Replace the ``**`` parameter of a command by options."""

    def decorate(command: F) -> F:
        *own, _ = options_of(command)
        command.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
        return command

    return decorate


def options_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The options that a function declares."""
    return list(inspect.signature(function, eval_str=True).parameters.values())


def settings_options() -> Iterator[inspect.Parameter]:
    """An option for each setting."""
    for each in settings_of(DaemonConfig):
        many = isinstance(each.default, (tuple, dict))
        kind = Any if each.parse else list[str] if many else each.type
        option = typer.Option(
            *each.flags.split(), help=each.help, rich_help_panel=each.panel, min=each.min, max=each.max,
            metavar=each.metavar, parser=_parser(each) if each.parse else None,
            show_default=each.type is not bool or "/" in each.flags,
            show_envvar=False,  # the rule says it better than forty names
        )  # fmt: skip
        default = None if many else each.option_default
        yield inspect.Parameter(
            each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
        )


def _parser(setting: Setting) -> Callable[[Any], Any]:
    def parsed(value: Any) -> Any:
        if setting.parse is None or not isinstance(value, str):  # the configuration file has lists and objects
            return value
        try:
            return setting.parse(value)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parsed
