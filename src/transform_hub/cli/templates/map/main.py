"""Turns each line of its input into capital letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input, Stream


def run(context: Context, input: Input[str]) -> Stream[str]:
    return input.map(str.upper)
