"""Typer commands and groups with aliases, lazy imports, and options that every command takes.

A command or group registered as ``"list|ls"`` has both names; help shows them together.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from transform_hub.cli.exits import handle_errors
from transform_hub.cli.settings import settings

F = TypeVar("F", bound=Callable[..., Any])

HELP_NAMES = ["-h", "--help"]


class Command(TyperCommand):
    """A command that takes the options of every command, and reports an error in one line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = frozenset(name for param in self.get_params(ctx) for name in (*param.opts, *param.secondary_opts))
        return super().parse_args(ctx, args if ctx.resilient_parsing else settings.take(args, own))

    def invoke(self, ctx: Any) -> Any:
        with handle_errors():
            return super().invoke(ctx)


class Group(TyperGroup):
    """A group whose commands have aliases, and whose modules are imported on first use."""

    lazy: dict[str, tuple[str, str]] = {}  # noqa: RUF012 - set once by a subclass
    """Names of a group or command -> the module that has it as ``app``, and its one line of help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = frozenset(name for param in self.get_params(ctx) for name in param.opts)
        taken = args if ctx.resilient_parsing else settings.take(args, own, leading=True)
        return super().parse_args(ctx, taken)

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for names in self.list_commands(ctx):
            if cmd_name == names or cmd_name in names.split("|"):
                return self._load(names) if names in self.lazy else super().get_command(ctx, names)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            self._refuse(ctx, args[0])
        name, command, rest = super().resolve_command(ctx, args)
        return (command.name.partition("|")[0] if command and command.name else name), command, rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(names.replace("|", ", "), self._help_of(ctx, names)) for names in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([row for row in rows if row[1]])

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        found = super().shell_complete(ctx, incomplete)
        for item in found:
            item.value = item.value.partition("|")[0]
        return found

    def _refuse(self, ctx: Any, word: str) -> None:
        from difflib import get_close_matches

        known = [name for names in self.list_commands(ctx) for name in names.split("|")]
        meant = ", ".join(repr(name) for name in get_close_matches(word, known))
        ctx.fail(f"There is no command {word!r}." + (f" Did you mean {meant}?" if meant else ""))

    def _help_of(self, ctx: Any, names: str) -> str:
        """One line of help; empty for a hidden command."""
        if names in self.lazy:
            return self.lazy[names][1]
        command = super().get_command(ctx, names)
        return "" if command is None or command.hidden else command.get_short_help_str(200)

    def _load(self, names: str) -> Any:
        app: typer.Typer = importlib.import_module(self.lazy[names][0]).app
        command = typer.main.get_command(app)
        command.name = names
        return command


class App(typer.Typer):
    """A group of commands."""

    def __init__(self, *, help: str, cls: type[Group] = Group, **options: Any) -> None:
        super().__init__(
            cls=cls,
            help=help,
            no_args_is_help=True,
            add_completion=False,
            rich_markup_mode=None,  # importing rich takes longer than all the rest
            pretty_exceptions_enable=False,
            context_settings={"help_option_names": HELP_NAMES, "max_content_width": 100},
            **options,
        )

    def command(self, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """Register a command; ``name`` may be several names, separated by ``|``."""
        register: Callable[[F], F] = super().command(name, cls=Command, **options)
        return register
