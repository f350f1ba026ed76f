"""Frames, columns and scalars of numpy, pandas, polars and arrow: as rows of JSON, CSV, Arrow and Parquet."""

import dataclasses
import datetime as dt
import enum
import io
import json
from decimal import Decimal

import pytest

from needs import needs
from transform_hub.runner.output import Encoder, OutputError, encode_json, items

np, pd, pl, pa = needs("numpy"), needs("pandas"), needs("polars"), needs("pyarrow")
import pyarrow.csv  # noqa: E402
import pyarrow.ipc  # noqa: E402
import pyarrow.parquet  # noqa: E402

ROWS = [{"city": "Łódź", "n": 1, "x": 1.5}, {"city": None, "n": 2, "x": None}]
NANOSECOND = "2024-01-02T03:04:05.000000006"


def written(result, content_type="text/plain", schema=None):
    encoder, number, parts = Encoder(content_type, schema), 0, []
    for number, item in enumerate(items(result), 1):
        parts += encoder.parts(item, number)
    parts += encoder.finish(number)
    return b"".join(part.encode() if isinstance(part, str) else part for part in parts)


def values(value):
    return json.loads(encode_json([value], 1))[0]


FRAMES = {
    "pandas": pd.DataFrame({"city": ["Łódź", None], "n": [1, 2], "x": [1.5, float("nan")]}),
    "polars": pl.DataFrame({"city": ["Łódź", None], "n": [1, 2], "x": [1.5, float("nan")]}),
    "arrow": pa.table({"city": ["Łódź", None], "n": [1, 2], "x": [1.5, float("nan")]}),
    "record batch": pa.record_batch({"city": ["Łódź", None], "n": [1, 2], "x": [1.5, float("nan")]}),
}


@pytest.fixture(params=FRAMES)
def frame(request):
    return FRAMES[request.param]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-ndjson"])
def test_a_frame_is_a_line_of_json_for_each_row(frame, content_type):
    assert [json.loads(line) for line in written(frame, content_type).splitlines()] == ROWS
    assert [json.loads(line) for line in written(iter([frame, {"a": 1}, frame])).splitlines()] == [
        *ROWS,
        {"a": 1},
        *ROWS,
    ]


def test_inside_another_value_it_is_an_array_of_its_rows(frame):
    assert values({"rows": frame}) == {"rows": ROWS}


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2500])
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_every_row_is_written_once_whatever_their_number(make, size):
    lines = written(make({"i": list(range(size))})).splitlines()
    assert [json.loads(line)["i"] for line in lines] == list(range(size))


@pytest.mark.parametrize(
    ("index", "first"),
    [
        (None, {"a": 1}),
        (pd.Index([7, 9]), {"a": 1}),
        (pd.Index([7, 9], name="id"), {"id": 7, "a": 1}),
        (["x", "y"], {"index": "x", "a": 1}),
        (pd.to_datetime(["2024-01-02", "2024-01-03"]), {"index": "2024-01-02T00:00:00", "a": 1}),
        (pd.MultiIndex.from_tuples([(1, "b"), (2, "c")], names=["i", "k"]), {"i": 1, "k": "b", "a": 1}),
    ],
    ids=["none", "numbers", "named", "labels", "times", "multi"],
)
def test_an_index_that_says_something_is_written(index, first):
    assert json.loads(written(pd.DataFrame({"a": [1, 2]}, index=index)).splitlines()[0]) == first


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(
        OutputError, match=r"item 1 of the output can't be written: .* several columns 'a'; rename them"
    ):
        written(pd.DataFrame([[1, 2]], columns=["a", "a"]))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(5), 5),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), None),
        (np.bool_(True), True),
        (np.str_("ä"), "ä"),
        (np.longdouble(1.5), 1.5),
        (np.datetime64("2024-01-02T03:04:05.000000006", "ns"), NANOSECOND),
        (np.datetime64("NaT"), None),
        (np.timedelta64(90, "s"), "PT1M30S"),
        (np.timedelta64("NaT"), None),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([1.0, np.nan]), [1.0, None]),
        (np.array(5), 5),
        (np.array(["2024-01-02", "NaT"], dtype="datetime64[D]"), ["2024-01-02", None]),
        (np.array([(1, "a")], dtype=[("n", int), ("s", "U1")]), [{"n": 1, "s": "a"}]),
        (pd.Timestamp(NANOSECOND, tz="UTC"), f"{NANOSECOND}+00:00"),
        (pd.Timedelta("1 days 00:00:00.000000001"), "P1DT0.000000001S"),
        (pd.NaT, None),
        (pd.NA, None),
        (pd.Period("2024-01"), "2024-01"),
        (pd.Series([1, 2]), [1, 2]),
        (pd.Series({"a": 1, "b": 2}), {"a": 1, "b": 2}),
        (pd.Series([1.0, None]), [1.0, None]),
        (pd.Series(["a", "b"], dtype="category"), ["a", "b"]),
        (pd.Index([1, 2]), [1, 2]),
        (pd.array([1, None], dtype="Int64"), [1, None]),
        (pl.Series([1, None]), [1, None]),
        (pl.Series([1.0, float("nan")]), [1.0, None]),
        (pa.scalar(3), 3),
        (pa.array([1, None]), [1, None]),
        (pa.chunked_array([[1], [2]]), [1, 2]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_columns_and_scalars(value, expected):
    assert values(value) == expected


def test_a_column_that_is_returned_is_many_items_and_one_with_labels_a_record():
    for column in (pd.Series([1, 2]), pl.Series([1, 2]), pa.array([1, 2]), np.array([1, 2])):
        assert written(column) == b"1\n2\n", column
    assert json.loads(written(pd.Series(["a", "a", "b"]).value_counts())) == {"a": 2, "b": 1}
    assert written(np.array([[1, 2], [3, 4]])) == b"[1, 2]\n[3, 4]\n"
    assert (
        written(row for _, row in pd.DataFrame({"a": [1, 2], "b": [3, 4]}).iterrows())
        == b'{"a": 1, "b": 3}\n{"a": 2, "b": 4}\n'
    )


def test_a_lazy_frame_is_refused_with_the_remedy():
    with pytest.raises(OutputError, match=r"LazyFrame is not JSON serializable; collect\(\) it"):
        written(pl.DataFrame({"a": [1]}).lazy())


def test_csv_has_one_head(frame):
    expected = "city,n,x\nŁódź,1,1.5\n,2,\n"
    assert written(frame, "text/csv").decode() == expected
    assert written(iter([frame, frame]), "text/csv; charset=utf-8").decode() == expected + expected.partition("\n")[2]


def test_csv_of_records_lists_and_text():
    rows = [{"a": 1, "b": 'x,"y"'}, {"b": None, "a": [1]}, ["r", 2], "as,it,is\n"]
    assert written(iter(rows), "text/csv").decode() == 'a,b\n1,"x,""y"""\n[1],\nr,2\nas,it,is\n'
    with pytest.raises(
        OutputError, match="item 2 of the output can't be written: its columns are c; those of the head"
    ):
        written(iter([{"a": 1}, {"c": 1}]), "text/csv")
    with pytest.raises(OutputError, match="int is not a row of CSV"):
        written(5, "text/csv")


TABLES = {
    "application/vnd.apache.arrow.stream": lambda data: pyarrow.ipc.open_stream(data).read_all(),
    "application/vnd.apache.parquet": lambda data: pyarrow.parquet.read_table(io.BytesIO(data)),
}


@pytest.mark.parametrize("content_type", TABLES)
@pytest.mark.parametrize("number", [1, 3])
def test_arrow_and_parquet(frame, content_type, number):
    table = TABLES[content_type](written(iter([frame] * number), content_type))
    plain = [{**row, "x": row["x"] if row["x"] == row["x"] else None} for row in table.to_pylist()]
    assert plain == ROWS * number


@pytest.mark.parametrize("content_type", TABLES)
def test_arrow_and_parquet_of_records(content_type):
    records = [{"a": 1, "b": "x"}, {"b": "y", "a": 2}]
    assert TABLES[content_type](written(iter(records), content_type)).to_pylist() == records
    with pytest.raises(OutputError, match=r"item . of the output"):
        written(iter([{"a": 1}, {"c": 1}]), content_type)


@pytest.mark.parametrize("content_type", TABLES)
def test_bytes_that_the_sequence_has_made_go_out_as_they_are(content_type):
    assert written(iter([b"PAR1", b"\x00"]), content_type) == b"PAR1\x00"


def read(result, content_type, schema=None):
    return TABLES[content_type](written(result, content_type, schema))


class Status(enum.Enum):
    PAID = "paid"


@dataclasses.dataclass
class Order:
    amount: Decimal
    at: dt.datetime
    day: dt.date
    status: Status
    data: bytes


@pytest.mark.parametrize("content_type", TABLES)
def test_records_keep_the_types_of_their_values(content_type):
    order = Order(
        Decimal("1.10"), dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc), dt.date(2024, 1, 2), Status.PAID, b"\xff"
    )
    table = read(iter([order, order]), content_type)
    assert [str(field.type) for field in table.schema] == [
        "decimal128(38, 2)", "timestamp[us, tz=UTC]", "date32[day]", "string", "binary"
    ]  # fmt: skip
    assert table.to_pylist()[0] == {**dataclasses.asdict(order), "status": "paid"}


@pytest.mark.parametrize("content_type", TABLES)
@pytest.mark.parametrize(
    ("first", "later"),
    [
        (Decimal("17.72"), Decimal("1234.5")),
        (None, "x"),
        (None, 5),
        (10.5, 10),
        (Status.PAID, "open"),
        ([None], [1]),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "frame", [pd.DataFrame, lambda rows: rows, lambda rows: rows[0]], ids=["pandas", "list", "dict"]
)
def test_later_rows_may_differ_where_nothing_is_lost(first, later, frame, content_type):
    rows = [{"a": first, "b": 1}, {"a": later, "b": 2}]
    expected = [{**row, "a": "paid" if row["a"] is Status.PAID else row["a"]} for row in rows]
    assert read(iter([frame(rows[:1]), frame(rows[1:])]), content_type).to_pylist() == expected


@pytest.mark.parametrize("content_type", TABLES)
@pytest.mark.parametrize(
    ("first", "later"),
    [
        (True, 5),
        (1, "007"),
        ("007", 7),
        (pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01", tz="UTC")),
        (1, 2.5),
        (Decimal("1.5"), Decimal("1.55")),
        ({"x": True}, {"x": 5}),
        ([True], [5]),
    ],
    ids=str,
)
def test_what_would_change_a_value_is_refused_with_the_column(first, later, content_type):
    with pytest.raises(OutputError, match="item 2 of the output can't be written: column 'a'"):
        read(iter([pd.DataFrame({"a": [first]}), pd.DataFrame({"a": [later]})]), content_type)


@pytest.mark.parametrize("content_type", TABLES)
def test_a_schema_decides(content_type):
    schema = pa.schema([("a", pa.float64()), ("b", pa.decimal128(20, 4))])
    rows = [{"a": 1, "b": Decimal("1.5")}, {"a": 2.5, "b": Decimal("1.5555")}]
    table = read(iter(rows), content_type, schema)
    assert table.schema.equals(schema)
    assert table.to_pylist() == [{"a": 1.0, "b": Decimal("1.5000")}, {"a": 2.5, "b": Decimal("1.5555")}]
    assert read(iter([pl.DataFrame({"b": [Decimal(1)], "a": [1.0]})]), content_type, schema).schema.equals(schema)
    assert read(iter([]), content_type, schema).schema.equals(schema)


def test_records_are_gathered_to_row_groups(monkeypatch):
    data = written(({"a": i} for i in range(25_000)), "application/vnd.apache.parquet")
    assert pyarrow.parquet.ParquetFile(io.BytesIO(data)).num_row_groups == 3


def test_a_column_without_any_value_is_one_of_strings(monkeypatch):
    monkeypatch.setattr("transform_hub.runner.arrow.WAITING", 5)
    rows = [{"a": None, "b": i} for i in range(10)]
    table = read(iter([pd.DataFrame(rows[:4]), pd.DataFrame(rows[4:])]), "application/vnd.apache.parquet")
    assert str(table.schema.field("a").type) == "string"
    assert table.to_pylist() == rows


def test_a_frame_without_rows_has_its_head():
    for frame in (pd.DataFrame({"a": []}), pl.DataFrame({"a": []}), pa.table({"a": []})):
        assert written(iter([frame, frame]), "text/csv") == b"a\n"


def test_an_arrow_stream_goes_on_with_every_record_that_comes_late(monkeypatch):
    monkeypatch.setattr("transform_hub.runner.arrow.DELAY", -1)
    encoder = Encoder("application/vnd.apache.arrow.stream")
    sizes = [sum(map(len, encoder.parts({"a": number}, number))) for number in range(3)]
    assert all(sizes)
    assert not list(Encoder("application/vnd.apache.parquet").parts({"a": 1}, 1))


def test_csv_of_lists_of_records_and_of_arrays():
    assert written(iter([[{"a": 1}, {"a": 2}], [{"a": 3}]]), "text/csv") == b"a\n1\n2\n3\n"
    assert written(iter([np.array([[1, 2], [3, 4]])]), "text/csv") == b"1,2\n3,4\n"


def test_a_series_with_several_levels_is_rows_and_such_columns_are_refused():
    frame = pd.DataFrame({"k": ["a", "a"], "j": [1, 2], "v": [3, 4]})
    assert values(frame.groupby(["k", "j"]).v.sum()) == [{"k": "a", "j": 1, "v": 3}, {"k": "a", "j": 2, "v": 4}]
    with pytest.raises(OutputError, match="columns of the frame have several levels"):
        written(frame.groupby("k").agg({"v": ["sum", "max"]}))


SEQUENCE = """
import {package} as lib
def run(context, input):
    yield lib.DataFrame({{"i": range(3000), "half": [i / 2 for i in range(3000)]}})
provides = {{"contentType": "{content_type}"}}
"""


@pytest.mark.parametrize("package_name", ["pandas", "polars"])
@pytest.mark.parametrize("content_type", ["application/x-ndjson", "text/csv", *TABLES])
async def test_an_instance_gives_a_frame_in_its_content_type(package_name, content_type, result):
    output, info = await result(SEQUENCE.format(package=package_name, content_type=content_type))
    assert info["status"] == "completed", info
    if content_type in TABLES:
        rows = TABLES[content_type](output).to_pylist()
    elif content_type == "text/csv":
        rows = pyarrow.csv.read_csv(io.BytesIO(output)).to_pylist()
    else:
        rows = [json.loads(line) for line in output.splitlines()]
    assert rows == [{"i": i, "half": i / 2} for i in range(3000)]
