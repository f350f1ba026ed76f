"""What each Python value is written as."""

import collections
import dataclasses
import datetime as dt
import enum
import json
import math
import types
import uuid
from decimal import Decimal
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transform_hub.runner.output import OutputError, encode_json, items
from transform_hub.runner.serialize import UnserializableError, duration, is_record, plain

UTC = dt.timezone.utc
TEXT = st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Name(str, enum.Enum):
    ADA = "ada"


class Pair(NamedTuple):
    left: int
    right: int


@dataclasses.dataclass
class City:
    name: str
    seen: dt.date = dt.date(2024, 2, 29)


@dataclasses.dataclass(slots=True)
class Slotted:
    city: City


class Struct(msgspec.Struct, rename="camel", tag=True):
    first_name: str
    when: dt.timedelta = dt.timedelta(seconds=90)


class Kept:
    pass


TABLE = [
    ({"a": [1, 2.5, None, True, "ä"]}, {"a": [1, 2.5, None, True, "ä"]}),
    (collections.ChainMap({"a": 1}, {"b": 2}), {"a": 1, "b": 2}),
    (types.MappingProxyType({"a": 1}), {"a": 1}),
    (collections.Counter("aab"), {"a": 2, "b": 1}),
    ({2: "i", 2.5: "f", None: "n", True: "b"}, {"2": "i", "2.5": "f", "null": "n", "true": "b"}),
    (
        {dt.date(2024, 1, 2): 1, Colour.RED: 2, uuid.UUID(int=5): 3},
        {"2024-01-02": 1, "red": 2, str(uuid.UUID(int=5)): 3},
    ),
    (City("Łódź"), {"name": "Łódź", "seen": "2024-02-29"}),
    (Slotted(City("a")), {"city": {"name": "a", "seen": "2024-02-29"}}),
    (Struct("Ada"), {"type": "Struct", "firstName": "Ada", "when": "PT1M30S"}),
    (Colour.RED, "red"),
    (Level.HIGH, 3),
    (Name.ADA, "ada"),
    (Pair(1, 2), [1, 2]),
    (dt.datetime(2024, 1, 2, 3, 4, 5, 6), "2024-01-02T03:04:05.000006"),  # noqa: DTZ001
    (dt.datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
    (dt.time(1, 2, 3), "01:02:03"),
    (dt.timedelta(days=1, hours=2, microseconds=5), "P1DT2H0.000005S"),
    (dt.timedelta(), "PT0S"),
    (-dt.timedelta(seconds=1), "-PT1S"),
    (dt.timedelta(days=3), "P3D"),
    (Decimal("12.50"), "12.50"),
    (Decimal("NaN"), None),
    (Decimal("Infinity"), None),
    (uuid.UUID(int=5), str(uuid.UUID(int=5))),
    (PurePosixPath("/a/b"), "/a/b"),
    ({3}, [3]),
    (frozenset("a"), ["a"]),
    (range(3), [0, 1, 2]),
    (collections.deque([1, 2]), [1, 2]),
    ({"a": 1}.keys(), ["a"]),
    ({"a": 1}.values(), [1]),
    ({"a": 1}.items(), [["a", 1]]),
    ([b"\xff\x00", bytearray(b"x"), memoryview(b"y")], ["/wA=", "eA==", "eQ=="]),
    (math.nan, None),
    ([math.inf, {"a": -math.inf}], [None, {"a": None}]),
    (collections.OrderedDict(a=City("x")), {"a": {"name": "x", "seen": "2024-02-29"}}),
]


@pytest.mark.parametrize(("value", "expected"), TABLE, ids=[type(value).__name__ for value, _ in TABLE])
def test_a_value_is_written_as_the_table_says_alone_and_in_others(value, expected):
    assert json.loads(encode_json(value, 1)) == expected
    assert json.loads(encode_json({"deep": [value]}, 1)) == {"deep": [expected]}
    assert json.loads(encode_json({"deep": [value], "nan": math.nan}, 1)) == {"deep": [expected], "nan": None}
    assert plain(value)[0] == expected


@pytest.mark.parametrize(
    "value",
    [City("a"), Struct("a"), Colour, Colour.RED, Pair(1, 2), collections.ChainMap({"a": 1}), {"a": 1}, "ab", b"ab"],
    ids=lambda value: getattr(type(value), "__name__", "class"),
)
def test_a_record_that_is_returned_is_one_item(value):
    assert is_record(value)
    assert list(items(value)) == [value]


@pytest.mark.parametrize("value", [{1, 2}, [1, 2], (1, 2), range(1, 3), {1: 0, 2: 0}.keys(), collections.deque([1, 2])])
def test_a_collection_that_is_returned_is_many(value):
    assert list(items(value)) == [1, 2]


def contained():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        (
            {"a": [1, Kept()]},
            "$.a[1]",
            "Kept is not JSON serializable; give a dict, a list, a dataclass or str",
        ),
        (City(Kept()), "$.name", "Kept is not JSON serializable"),
        ([1j], "$[0]", "complex is not JSON serializable"),
        ({"a": (number for number in "ab")}, "$.a", "generator is not JSON serializable; make a list of it"),
        ({"a": {(1, 2): 3}}, "a key of $.a", "is a tuple; make it a string"),
        ([int], "$[0]", "type is not JSON serializable"),
        ([Kept], "$[0]", "type is not JSON serializable"),
        (contained(), "$[0]", "is a circular reference"),
    ],
    ids=["object", "field", "complex", "generator", "key", "type", "class", "circle"],
)
def test_anything_else_is_refused_with_path_type_and_remedy(value, path, words):
    with pytest.raises(OutputError) as refused:
        encode_json(value, 7)
    assert str(refused.value).startswith(f"item 7 of the output can't be written: {path}")
    assert words in str(refused.value)


def test_bytes_alone_are_refused_since_they_may_be_json_already():
    with pytest.raises(OutputError, match="bytes are not JSON serializable; yield the value, or declare another"):
        encode_json(b'{"a": 1}', 1)


@given(JSON)
def test_what_json_has_stays_as_it_is(value):
    assert plain(value) == (value, None)
    assert json.loads(encode_json(value, 1)) == value


@given(
    st.recursive(st.floats(), lambda inner: st.lists(inner) | st.dictionaries(st.floats() | TEXT, inner), max_leaves=8)
)
def test_every_number_can_be_written(value):
    made, path = plain(value)
    json.dumps(made, allow_nan=False)
    assert (path is None) == all(math.isfinite(number) for number in numbers(value))


def numbers(value):
    if isinstance(value, float):
        return [value]
    return [number for inner in (value.values() if isinstance(value, dict) else value) for number in numbers(inner)]


@given(st.timedeltas())
def test_durations_are_read_as_the_same_by_others(value):
    nanoseconds = (value.days * 86_400 + value.seconds) * 10**9 + value.microseconds * 1000
    assert msgspec.json.decode(f'"{duration(nanoseconds)}"', type=dt.timedelta) == value


def test_pydantic_models():
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):
        a: int
        when: dt.datetime = dt.datetime(2024, 1, 2, tzinfo=UTC)
        inner: City = City("x")

    class Root(pydantic.RootModel[list[int]]):
        pass

    @pydantic.dataclasses.dataclass
    class Data:
        b: set[int]

    assert json.loads(encode_json([Model(a=1), Root([1]), Data({2})], 1)) == [
        {"a": 1, "when": "2024-01-02T00:00:00+00:00", "inner": {"name": "x", "seen": "2024-02-29"}},
        [1],
        {"b": [2]},
    ]
    assert list(items(Model(a=1))) == [Model(a=1)]


def test_what_only_pydantic_knows_and_bytes():
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):
        url: pydantic.AnyUrl = pydantic.AnyUrl("http://a/")
        key: pydantic.SecretStr = pydantic.SecretStr("x")
        data: bytes = b"\x89PNG"

    assert json.loads(encode_json(Model(), 1)) == {"url": "http://a/", "key": "**********", "data": "iVBORw=="}


def test_attrs_classes():
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Thing:
        a: int
        b: City

    assert json.loads(encode_json(Thing(1, City("x")), 1)) == {"a": 1, "b": {"name": "x", "seen": "2024-02-29"}}
    assert is_record(Thing(1, City("x")))


def test_a_model_that_fails_says_so():
    class Broken(msgspec.Struct):
        value: object

    with pytest.raises(UnserializableError, match="Kept is not JSON serializable"):
        plain(Broken(Kept()))


PLACES = {
    "generator": ("def run(context, input):\n    yield 1\n    yield object()", "main.py, line 3"),
    "async generator": ("async def run(context, input):\n    yield 1\n    yield object()", "main.py, line 3"),
    "delegated": (
        "def inner():\n    yield object()\ndef run(context, input):\n    yield from inner()",
        "main.py, line 2",
    ),
    "returned": ("def run(context, input):\n    return [1, object()]", "main.py, line 1, in run"),
    "map": (
        "from scramjet.streams import Stream\ndef make(x):\n    return object()\n"
        "def run(context, input):\n    return Stream.from_iterable([1]).map(make)",
        "main.py, line 2, in make",
    ),
}


@pytest.mark.parametrize("kind", PLACES)
async def test_the_error_names_the_line_of_the_sequence(kind, result, log):
    source, place = PLACES[kind]
    output, info = await result(source)
    number = 1 if kind in ("delegated", "map") else 2
    assert info["error"] == (
        f"OutputError: item {number} of the output can't be written: $: object is not JSON serializable; "
        f"give a dict, a list, a dataclass or str() of it ({place})"
    )
    assert info["terminated"]["exitcode"] == 23
    assert output == (b"" if number == 1 else b"1\n")


async def test_a_traceback_begins_with_the_frames_of_the_sequence(launch, api):
    instance = await launch("def run(context, input):\n    return 1 / 0")
    await api.ended(instance)
    stderr = (await api.read(f"{instance}/stderr")).decode()
    assert stderr.splitlines()[:2] == [
        "Traceback (most recent call last):",
        next(line for line in stderr.splitlines() if 'main.py", line 2, in run' in line),
    ]


async def test_an_event_may_have_any_such_value(launch, api):
    instance = await launch(
        "import datetime\nasync def run(context, input):\n"
        "    context.emit('seen', {'at': datetime.date(2024, 1, 2)})\n    await input.read()"
    )
    assert (await api.get(f"{instance}/event/seen")).json == {"at": "2024-01-02"}
