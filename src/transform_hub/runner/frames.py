"""Tables and columns of pandas, polars and arrow: as rows of JSON, and whole as CSV, Arrow or Parquet.

    content type                              a frame is written as
    text/csv                                  CSV, with one head for all frames of the output
    application/vnd.apache.arrow.stream       an Arrow stream
    application/vnd.apache.parquet            one Parquet file
    any other                                 a line of JSON for each row

What is missing (NaN, NaT, NA, null) is null. The index of a pandas frame is left out where it only counts; one with
a name, or of other things than whole numbers, comes before the columns, as ``reset_index`` puts it.

Their packages are known by their objects. Only Arrow and Parquet import what the Sequence may not have: ``pyarrow``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

BLOCK = 1000
"""Rows that are converted at once, before other tasks have their turn."""

Row = dict[str, Any]


def is_frame(value: Any) -> bool:
    """Whether it is a table with named columns."""
    return _is_frame(type(value))


def _is_frame(cls: type) -> bool:
    return package_of(cls) is not None and hasattr(cls, "columns") and hasattr(cls, "shape")


def rows(frame: Any) -> Iterator[list[Row]]:
    """The rows of a frame, a block at a time.

    Raises:
        ValueError: two of its columns have the same name.
    """
    frame, names = _named(frame)
    read = {"pandas": _pandas_block, "polars": _polars_block, "pyarrow": _arrow_block}[package_of(type(frame)) or ""]
    for start in range(0, frame.shape[0], BLOCK):
        data = read(frame, start)
        yield [dict(zip(names, row, strict=True)) for row in zip(*data, strict=True)]


def columns(frame: Any) -> list[str]:
    """The names of the columns of a frame, in the order of its rows.

    Raises:
        ValueError: two of its columns have the same name.
    """
    return _named(frame)[1]


def _named(frame: Any) -> tuple[Any, list[str]]:
    """A frame whose index, if it says something, has become columns; and their names."""
    package = package_of(type(frame))
    if package == "pandas":
        frame = with_index(frame)
        if frame.columns.nlevels > 1:
            raise ValueError("the columns of the frame have several levels; give them one name each")
    names = [str(name) for name in (frame.column_names if package == "pyarrow" else frame.columns)]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the frame has several columns {double!r}; rename them")
    return frame, names


def _pandas_block(frame: Any, start: int) -> list[list[Any]]:
    block = frame.iloc[start : start + BLOCK]
    return [values(block.iloc[:, number]) for number in range(block.shape[1])]


def values(column: Any) -> list[Any]:
    """The values of a column of pandas; None for those that are missing."""
    if column.hasnans:
        column = column.astype(object).where(column.notna(), None)
    found: list[Any] = column.tolist()
    return found


def _polars_block(frame: Any, start: int) -> list[list[Any]]:
    return [_polars_values(column) for column in frame.slice(start, BLOCK).get_columns()]


def _polars_values(column: Any) -> list[Any]:
    values: list[Any] = (column.fill_nan(None) if column.dtype.is_float() else column).to_list()
    return values


def _arrow_block(table: Any, start: int) -> list[list[Any]]:
    block = table.slice(start, BLOCK)
    return [[None if value != value else value for value in column.to_pylist()] for column in block.columns]  # noqa: PLR0124 - NaN


def with_index(frame: Any) -> Any:
    """A pandas frame whose index, if it says something, has become columns."""
    return frame.reset_index() if has_labels(frame.index) else frame


def has_labels(index: Any) -> bool:
    """Whether a pandas index says more than a row's number."""
    return any(name is not None for name in index.names) or index.inferred_type not in ("integer", "empty")


def converter(cls: type) -> Callable[[Any], Any] | None:
    """What makes plain values of a frame, a column or a scalar inside another value; None if the class is no such."""
    package = package_of(cls)
    if package is None:
        return None
    if _is_frame(cls):
        return lambda frame: [row for block in rows(frame) for row in block]
    known = _PARTS[package]
    return next((known[name] for name in known if name == cls.__name__ or hasattr(cls, name)), None)


def _pandas_column(column: Any) -> Any:
    """A Series with labels (a row of a frame, counts by name) is a dict of them; without, a list."""
    if hasattr(column, "index") and hasattr(column, "items") and has_labels(column.index):
        if column.index.nlevels > 1:
            return [row for block in rows(column.reset_index()) for row in block]
        return dict(zip(column.index.tolist(), values(column), strict=True))
    return values(column) if hasattr(column, "hasnans") else column.tolist()


_PARTS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "pandas": {
        "NAType": lambda _: None,
        "NaTType": lambda _: None,
        "Period": str,
        "Interval": str,
        "tolist": _pandas_column,
    },
    "polars": {"to_list": _polars_values},
    "pyarrow": {"as_py": lambda scalar: scalar.as_py(), "to_pylist": lambda column: column.to_pylist()},
}
"""By package: the name of a class, or of a method that it has, and what makes plain values of its objects."""


def package_of(cls: type) -> str | None:
    """Which of the packages a class, or one that it is derived from, belongs to."""
    return _package_of(cls)


@functools.lru_cache(maxsize=1024)
def _package_of(cls: type) -> str | None:
    for base in cls.__mro__:  # people derive classes of their own
        root = base.__module__.partition(".")[0]
        if root in ("pandas", "polars", "pyarrow"):
            return root
    return None
