"""Outputs that are one table of frames, records or lists of records: CSV, an Arrow stream, a Parquet file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from transform_hub.runner import frames, serialize
from transform_hub.runner.arrow import ARROW, PARQUET, ArrowTable

CSV = "text/csv"


class CsvTable:
    """Rows of CSV under one head."""

    def __init__(self) -> None:
        self._head: list[str] | None = None

    def write(self, item: Any) -> Iterator[str]:
        """The lines of a frame, a record or a list.

        Raises:
            ValueError: its columns are not those of the head, or it is no row.
            UnserializableError: it has a value that can't be written.
        """
        if frames.is_frame(item):
            yield self._begin(frames.columns(item))  # of a frame without rows, too
            for block in frames.rows(item):
                yield self._lines(block)
            return
        value, _ = serialize.plain(item)
        if isinstance(value, dict):
            yield self._lines([value])
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            yield self._lines(value)
        elif isinstance(value, list):
            yield _csv([map(_cell, row) for row in value] if _is_table(value) else [map(_cell, value)])
        else:
            raise ValueError(f"{type(item).__name__} is not a row of CSV; give a dict, a list or a frame")

    def finish(self) -> Iterator[str]:
        """What comes after the last row: nothing."""
        return iter(())

    def _lines(self, rows: list[dict[str, Any]]) -> str:
        begin = self._begin(list(rows[0]))
        head = self._head or []
        for row in rows:
            if row.keys() != set(head):
                raise ValueError(f"its columns are {', '.join(row)}; those of the head are {', '.join(head)}")
        return begin + _csv(map(_cell, map(row.get, head)) for row in rows)

    def _begin(self, columns: list[str]) -> str:
        """The head, if it is not written yet."""
        if self._head is not None:
            return ""
        self._head = columns
        return _csv([columns])


def _is_table(rows: list[Any]) -> bool:
    return bool(rows) and all(isinstance(row, list) for row in rows)


def _csv(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    plain, _ = serialize.plain(value)
    return serialize.dumps(plain) if isinstance(plain, (dict, list)) else plain


class Table(Protocol):
    """What an output that is one table is written by."""

    def write(self, item: Any) -> Iterator[str | bytes]:
        """What the output goes on with; may keep the item until later."""

    def finish(self) -> Iterator[str | bytes]:
        """The end of the output."""


def table(media_type: str, schema: Any = None) -> Table | None:
    """What writes an output of a media type; None if that is no table.

    Args:
        media_type: of the output.
        schema: of pyarrow, if the Sequence has declared one.

    Raises:
        ImportError: it needs pyarrow, and the Sequence has none.
    """
    if media_type == CSV:
        return CsvTable()
    return ArrowTable(media_type, schema) if media_type in (ARROW, PARQUET) else None
