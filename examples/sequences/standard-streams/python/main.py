"""Has no output besides what it prints."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from transform_hub import Context, Input


async def run(context: Context, input: Input[str]) -> None:
    count = 0
    lines = cast("AsyncIterable[str]", sys.stdin)  # which for type checkers is a file alone
    async for line in lines:
        count += 1
        print(line.upper(), end="", flush=True)
    print(f"{count} lines", file=sys.stderr)
