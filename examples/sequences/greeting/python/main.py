"""Needs no input. Its whole output is one text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input


def run(context: Context, input: Input[str], *names: str) -> str:
    greeting = context.config.get("greeting", "Hello")
    return "".join(f"{greeting}, {name}!\n" for name in names)
