"""Arrow streams and Parquet files, made of frames and records (dicts, models) that all have the same columns.

Values keep their types: dates, decimals and bytes are what Arrow has for them. Records are gathered to blocks. The
types of the columns are those of the first block, and a column that is empty there waits for its first value; or the
Sequence declares them all, as ``schema``. Later rows may differ where nothing is lost by it: a smaller integer, fewer
decimals.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from decimal import Decimal
from time import monotonic
from typing import Any

from transform_hub.runner import frames, serialize

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"

BLOCK = 10_000
"""Records that are written at once."""

DELAY = 1.0
"""Seconds after which the next record of a stream takes those before it along."""

WAITING = 100_000
"""Rows that wait for the first value of a column; after that it is one of strings."""

_OWN = (float, bytes, dt.date, dt.time, dt.timedelta, Decimal)
"""What Arrow knows from Python besides what JSON has."""


class ArrowTable:
    """Writes the items of an output.

    Args:
        media_type: one of :data:`ARROW` and :data:`PARQUET`.
        schema: what the Sequence has declared, if it has.

    Raises:
        ImportError: the Sequence has no pyarrow.
    """

    def __init__(self, media_type: str, schema: Any = None) -> None:
        try:
            import pyarrow as arrow  # noqa: ICN001, PLC0415 - the Sequence's, used only where its content type asks for it
        except ImportError as error:
            raise ImportError(f"Output of {media_type} needs pyarrow among the Sequence's requirements") from error
        self._arrow = arrow
        self._is_parquet = media_type == PARQUET
        self._schema = schema
        self._records: list[dict[str, Any]] = []
        self._written_at = monotonic()
        self._waiting: list[Any] = []
        self._sink = _Sink()
        self._writer: Any = None

    def write(self, item: Any) -> Iterator[bytes]:
        """What the file goes on with.

        Raises:
            ValueError: its columns, or their types, are others than those of the rows before, or it is no row.
        """
        if frames.is_frame(item):
            self._flush()
            self._add(_to_arrow(item, self._arrow))
        else:
            records = item if isinstance(item, list) else [item]
            self._records += map(self._record, records)
            late = not self._is_parquet and monotonic() - self._written_at > DELAY
            if late or len(self._records) >= BLOCK:
                self._flush()
        if data := self._sink.take():
            yield data

    def finish(self) -> Iterator[bytes]:
        """The end of the file."""
        self._flush()
        if self._waiting:
            self._begin()
        if self._writer is None and self._schema is not None:
            self._writer = self._open()
        if self._writer is not None:
            self._writer.close()
        yield self._sink.take()

    def _record(self, item: Any) -> dict[str, Any]:
        value, _ = serialize.plain(item, _OWN)
        if not isinstance(value, dict):
            raise ValueError(f"{type(item).__name__} is not a row of a table; give a dict or a frame")  # noqa: TRY004
        first = self._records[0] if self._records else value
        if value.keys() != first.keys():
            raise ValueError(f"its columns are {', '.join(value)}; those of the rows before are {', '.join(first)}")
        return value

    def _flush(self) -> None:
        """Make a table of the records."""
        records, self._records = self._records, []
        self._written_at = monotonic()
        if records:
            columns = {name: self._column(name, [record[name] for record in records]) for name in records[0]}
            self._add(self._arrow.table(columns))

    def _column(self, name: str, values: list[Any]) -> Any:
        wanted = None
        if self._schema is not None and name in self._schema.names:
            wanted = self._schema.field(name).type
        try:
            return self._arrow.array(values, type=wanted)
        except (self._arrow.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"column {name!r}: {error}") from None

    def _add(self, table: Any) -> None:
        if self._writer is not None:
            self._writer.write_table(self._fitted(table))
            return
        self._waiting.append(table)
        self._learn(table.schema)
        is_known = not any(self._is_unknown(field.type) for field in self._schema)
        if is_known or sum(waiting.num_rows for waiting in self._waiting) >= WAITING:
            self._begin()

    def _learn(self, schema: Any) -> None:
        """Take over the types of columns that are not known yet."""
        if self._schema is None:
            self._schema = self._arrow.schema([(field.name, self._wide(field.type)) for field in schema])
            return
        for place, field in enumerate(self._schema):
            if self._is_unknown(field.type) and field.name in schema.names:
                wide = self._wide(schema.field(field.name).type)
                self._schema = self._schema.set(place, self._arrow.field(field.name, wide))

    def _wide(self, kind: Any) -> Any:
        """The type of a column whose first values have a type: decimals may have more digits later."""
        return self._arrow.decimal128(38, kind.scale) if self._arrow.types.is_decimal128(kind) else kind

    def _is_unknown(self, kind: Any) -> bool:
        types = self._arrow.types
        return bool(types.is_null(kind) or (types.is_list(kind) and self._is_unknown(kind.value_type)))

    def _known(self, kind: Any) -> Any:
        if self._arrow.types.is_null(kind):
            return self._arrow.string()
        return self._arrow.list_(self._known(kind.value_type)) if self._is_unknown(kind) else kind

    def _begin(self) -> None:
        """Write what has waited; a column without any value is one of strings."""
        self._schema = self._arrow.schema([(field.name, self._known(field.type)) for field in self._schema])
        self._writer = self._open()
        waiting, self._waiting = self._waiting, []
        for table in waiting:
            self._writer.write_table(self._fitted(table))

    def _open(self) -> Any:
        if self._is_parquet:
            from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - as above

            return ParquetWriter(self._sink, self._schema)
        return self._arrow.ipc.new_stream(self._sink, self._schema)

    def _fitted(self, table: Any) -> Any:
        names = self._schema.names
        if set(table.schema.names) != set(names):
            theirs = ", ".join(table.schema.names)
            raise ValueError(f"its columns are {theirs}; those of the table are {', '.join(names)}")
        columns = [self._fitted_column(field, table.column(field.name)) for field in self._schema]
        return self._arrow.table(columns, schema=self._schema)

    def _fitted_column(self, field: Any, column: Any) -> Any:
        if column.type.equals(field.type):
            return column
        if _fits(self._arrow.types, column.type, field.type):
            try:
                return column.cast(field.type)
            except self._arrow.ArrowException as error:
                raise ValueError(f"column {field.name!r}: {error}") from None
        raise ValueError(
            f"column {field.name!r} has {column.type} here and {field.type} in the rows before; "
            "give all rows one type, or declare a schema"
        )


def _to_arrow(frame: Any, arrow: Any) -> Any:
    """A frame as a table of pyarrow; ``arrow`` is that package."""
    package = frames.package_of(type(frame))
    if package == "pandas":
        frame = frames.with_index(frame)
        try:
            return arrow.Table.from_pandas(frame, preserve_index=False)
        except (arrow.ArrowException, TypeError):  # objects that Arrow does not know, an Enum for example
            return arrow.table({str(name): _to_array(frame[name], arrow) for name in frame.columns})
    if package == "polars":
        return frame.to_arrow()
    return frame if hasattr(frame, "to_batches") else arrow.Table.from_batches([frame])


def _to_array(column: Any, arrow: Any) -> Any:
    """A column of pandas; of objects, made of what Arrow knows."""
    if column.dtype != object:
        return arrow.array(column)
    return arrow.array([serialize.plain(value, _OWN)[0] for value in frames.values(column)])


def _fits(types: Any, has: Any, wanted: Any) -> bool:
    """Whether values of a type mean the same in the other, so that a cast can only refuse or keep them."""
    if types.is_null(has):
        return True
    if types.is_timestamp(has) and types.is_timestamp(wanted):
        return bool(has.tz == wanted.tz)
    kinds = (
        (types.is_integer, lambda kind: types.is_integer(kind) or types.is_floating(kind)),
        (types.is_floating, types.is_floating),
        (types.is_decimal, types.is_decimal),
        (_is_text(types), _is_text(types)),
        (_is_binary(types), _is_binary(types)),
        (types.is_date, types.is_date),
        (types.is_duration, types.is_duration),
        (types.is_time, types.is_time),
        (types.is_list, lambda kind: types.is_list(kind) and _fits(types, has.value_type, kind.value_type)),
        (types.is_struct, lambda kind: types.is_struct(kind) and _fit_fields(types, has, kind)),
    )
    return any(is_one(has) and is_other(wanted) for is_one, is_other in kinds)


def _is_text(types: Any) -> Any:
    def is_text(kind: Any) -> bool:
        if types.is_dictionary(kind):
            kind = kind.value_type
        return bool(types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view")

    return is_text


def _is_binary(types: Any) -> Any:
    return lambda kind: types.is_binary(kind) or types.is_large_binary(kind)


def _fit_fields(types: Any, has: Any, wanted: Any) -> bool:
    theirs = {field.name: field.type for field in wanted}
    return {field.name for field in has} == theirs.keys() and all(
        _fits(types, field.type, theirs[field.name]) for field in has
    )


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
