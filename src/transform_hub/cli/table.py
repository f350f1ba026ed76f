"""Tables that fit a terminal.

The first column is never cut: users copy it into commands. If there is too little room,

1. empty columns are left out,
2. ids are cut to the shortest unique starts, which commands accept,
3. the widest of the other columns shrinks as far as needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from transform_hub.cli.visible import visible

if TYPE_CHECKING:
    from rich.table import Table

COMFORT = 16
"""Characters that the other cells should have before ids are shown in full."""

LEAST = 3
"""Characters that are left of a column that shrinks."""

GAP = 3


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], room: int, *, title: str | None = None, figures: int = 0
) -> Table:
    """Lay out a table.

    Args:
        headings: of the columns; the ids are in the first if it is called so.
        rows: their cells.
        room: characters per line.
        title: to write above.
        figures: how many columns at the end hold figures.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows = [[visible(cell) for cell in cells] for cells in rows]
    columns = _fitted([(heading, *cells) for heading, *cells in zip(headings, *rows, strict=True)], room)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    right = set(headings[len(headings) - figures :])
    widths = _widths(columns, room)
    for (heading, *_), width in zip(columns, widths, strict=True):
        justify = "right" if heading in right else "left"
        made.add_column(heading, no_wrap=True, overflow="ellipsis", width=width, justify=justify)  # type: ignore[arg-type]
    for cells in list(zip(*columns, strict=True))[1:]:
        made.add_row(*map(Text, cells))  # in a str rich looks for markup: [link=...]
    return made


def _fitted(columns: list[tuple[str, ...]], room: int) -> list[tuple[str, ...]]:
    """The columns that are shown, with ids as short as need be."""
    if _needed(columns, _width) <= room:
        return columns
    first, *others = columns
    others = [column for column in others if any(column[1:])]
    if first[0] == "ID" and _needed([first, *others], lambda column: min(_width(column), COMFORT)) > room:
        first = ("ID", *_starts(first[1:]))
    return [first, *others]


def _needed(columns: list[tuple[str, ...]], width: Callable[[tuple[str, ...]], int]) -> int:
    """Characters per line that these columns take; ``width`` is that of all but the first."""
    return _width(columns[0]) + sum(width(column) + GAP for column in columns[1:]) + GAP


def _widths(columns: list[tuple[str, ...]], room: int) -> list[int]:
    widths = [_width(column) for column in columns]
    while sum(width + GAP for width in widths) > room and (widest := max(widths[1:], default=0)) > LEAST:
        widths[widths.index(widest, 1)] -= 1
    return widths


def _width(column: tuple[str, ...]) -> int:
    return max(map(cell_len, column))


def _starts(ids: Sequence[str], least: int = 8) -> list[str]:
    """The shortest start of each id that no other has."""
    longest = max(map(len, ids), default=0)
    lengths = range(least, longest + least)
    length = next((n for n in lengths if len({each[:n] for each in ids}) == len(set(ids))), least)
    return [each[:length] for each in ids]
