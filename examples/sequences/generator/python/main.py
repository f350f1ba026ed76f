"""Needs no input. Values that are no text leave as JSON, one a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input


def run(context: Context, input: Input[str], count: int = 10) -> Iterator[int]:
    this, following = 0, 1
    for _ in range(count):
        yield this
        this, following = following, this + following
