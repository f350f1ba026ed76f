"""Outputs that are one table: CSV, an Arrow stream, a Parquet file. They are made of frames, or of records."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from transform_hub.runner import frames, serialize

CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"


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
            for block in frames.rows(item):
                yield self._lines(block)
            return
        value, _ = serialize.plain(item)
        if isinstance(value, dict):
            yield self._lines([value])
        elif isinstance(value, list):
            yield _csv([map(_cell, value)])
        else:
            raise ValueError(f"a {type(item).__name__} is no row of CSV; give a dict, a list or a frame")  # noqa: TRY004

    def finish(self) -> bytes:
        """What comes after the last row: nothing."""
        return b""

    def _lines(self, rows: list[dict[str, Any]]) -> str:
        text = ""
        if self._head is None:
            self._head = list(rows[0])
            text = _csv([self._head])
        for row in rows:
            if row.keys() != set(self._head):
                raise ValueError(f"its columns are {', '.join(row)}; those of the head are {', '.join(self._head)}")
        return text + _csv(map(_cell, map(row.get, self._head)) for row in rows)


def _csv(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float)):
        return value
    plain, _ = serialize.plain(value)
    return serialize.dumps(plain) if isinstance(plain, (dict, list)) else plain


class ArrowTable:
    """An Arrow stream, or a Parquet file, of frames and records that all have the same columns.

    Args:
        media_type: one of :data:`ARROW` and :data:`PARQUET`.

    Raises:
        ImportError: the Sequence has no pyarrow.
    """

    def __init__(self, media_type: str) -> None:
        try:
            import pyarrow as arrow  # noqa: ICN001, PLC0415 - the Sequence's, and used only where its content type asks for it
        except ImportError as error:
            raise ImportError(f"Output of {media_type} needs pyarrow among the Sequence's requirements") from error
        self._arrow = arrow
        self._is_parquet = media_type == PARQUET
        self._sink = _Sink()
        self._writer: Any = None

    def write(self, item: Any) -> Iterator[bytes]:
        """What the file goes on with.

        Raises:
            ValueError: its columns are others than those of the item before, or it is no row.
        """
        table = self._table(item)
        if self._writer is None:
            self._writer = self._open(table.schema)
        elif table.schema != self._writer_schema:
            table = table.select(self._writer_schema.names).cast(self._writer_schema)
        self._writer.write_table(table)
        yield self._sink.take()

    def finish(self) -> bytes:
        """The end of the file."""
        if self._writer is not None:
            self._writer.close()
        return self._sink.take()

    def _table(self, item: Any) -> Any:
        if not frames.is_frame(item):
            value, _ = serialize.plain(item)
            if not isinstance(value, dict):
                raise ValueError(f"a {type(item).__name__} is no row of a table; give a dict or a frame")
            return self._arrow.Table.from_pylist([value])
        return frames.to_arrow(item, self._arrow)

    def _open(self, schema: Any) -> Any:
        self._writer_schema = schema
        if self._is_parquet:
            from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - as above

            return ParquetWriter(self._sink, schema)
        return self._arrow.ipc.new_stream(self._sink, schema)


class _Sink(io.RawIOBase):
    """Collects what is written; positions go on when it is taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._position += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


Table = CsvTable | ArrowTable
TABLES: dict[str, Callable[[], Table]] = {
    CSV: CsvTable,
    ARROW: lambda: ArrowTable(ARROW),
    PARQUET: lambda: ArrowTable(PARQUET),
}
"""What writes an output of a media type that is one table."""
