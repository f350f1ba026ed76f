"""Needs no input. When nobody reads, its output fills up and the next `yield` waits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub import Context, Input


def run(context: Context, input: Input[str]) -> Iterator[int]:
    yield from count(1)
