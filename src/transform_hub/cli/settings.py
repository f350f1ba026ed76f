"""The options that every ``si`` command takes, anywhere on the command line.

--config, --profile NAME     profile to use instead of the active one
--config-path FILE           profile file to use
--format pretty|json         form of the answers
-q, --quiet                  no notes, no progress; ids only
--progress, --no-progress    progress bars whether or not stderr is a terminal
--no-color                   as the variable NO_COLOR
--debug                      tracebacks of errors
--raw                        streams reach a terminal with their control characters
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import typer

from transform_hub.profile import FORMATS

VALUES = {
    "--config": "profile",
    "--profile": "profile",
    "--config-path": "profile_path",
    "--format": "format",
}
"""Options with a value, and the setting of each."""

FLAGS = {
    "-q": ("quiet", True),
    "--quiet": ("quiet", True),
    "--progress": ("progress", True),
    "--no-progress": ("progress", False),
    "--no-color": ("color", False),
    "--debug": ("debug", True),
    "--raw": ("raw", True),
}
"""Options without a value, and what they set."""


@dataclass
class Settings:
    """The options that every command takes."""

    profile: str | None = None
    profile_path: Path | None = None
    format: str | None = None
    quiet: bool = False
    progress: bool | None = None
    color: bool | None = None
    debug: bool = False
    raw: bool = False

    def set(self, option: str, value: str) -> None:
        """Set the value of an option.

        Raises:
            typer.BadParameter: the option can't have this value.
        """
        if option == "--format" and value not in FORMATS:
            raise typer.BadParameter(f"{value!r} is neither pretty nor json", param_hint="--format")
        setattr(self, VALUES[option], Path(value) if option == "--config-path" else value)

    def colors(self, stream: IO[Any]) -> bool:
        """Whether to use colours on a stream."""
        if self.color is False or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        return stream.isatty()

    def take(self, args: list[str], own: frozenset[str], *, leading: bool = False) -> list[str]:
        """Take these options from a command line.

        Args:
            args: the command line.
            own: options of the command itself, which are left.
            leading: stop at the first other word: the rest belongs to a subcommand.

        Returns:
            The rest.
        """
        rest: list[str] = []
        words = iter(args)
        for word in words:
            name, equals, value = word.partition("=")
            if word in FLAGS and word not in own:
                setattr(self, *FLAGS[word])
            elif name in VALUES and name not in own:
                self.set(name, value if equals else _following(name, words))
            elif leading or word == "--":
                return [*rest, word, *words]
            else:
                rest.append(word)
        return rest


def _following(option: str, words: Any) -> str:
    value: str | None = next(words, None)
    if value is None:
        raise typer.BadParameter("needs a value", param_hint=option)
    return value


settings = Settings()
"""Those of this process."""
