"""Everything that can be sent becomes the same pieces."""

import array
import io
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transform_hub.client.body import PIECE, body_of, pieces

TEXT = "zwölf\nBoxkämpfer\n"
DATA = TEXT.encode()


async def collected(data):
    body = body_of(data)
    got = [bytes(piece) async for piece in body.pieces]
    assert all(len(piece) <= PIECE for piece in got)
    return b"".join(got), body.length, body.content_type


async def chunks(*given_chunks):
    for chunk in given_chunks:
        yield chunk


@pytest.mark.parametrize(
    ("data", "length", "content_type"),
    [
        (DATA, len(DATA), "application/octet-stream"),
        (bytearray(DATA), len(DATA), "application/octet-stream"),
        (memoryview(DATA), len(DATA), "application/octet-stream"),
        (TEXT, len(DATA), "text/plain"),
        (io.BytesIO(DATA), None, "application/octet-stream"),
        (io.StringIO(TEXT), None, "text/plain"),
        ([DATA[:3], DATA[3:]], None, "application/octet-stream"),
        ((letter for letter in TEXT), None, "application/octet-stream"),
        ([TEXT[:4], DATA[5:]], None, "application/octet-stream"),
        (chunks(DATA[:1], b"", memoryview(DATA)[1:]), None, "application/octet-stream"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_kinds(data, length, content_type):
    assert await collected(data) == (DATA, length, content_type)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.txt", "text/plain"),
        ("a.CSV", "text/plain"),
        ("a.md", "text/plain"),
        ("a.log", "text/plain"),
        ("a.ndjson", "application/x-ndjson"),
        ("a.jsonl", "application/x-ndjson"),
        ("a.tar.gz", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
async def test_files(tmp_path, name, content_type):
    path = tmp_path / name
    path.write_bytes(DATA)
    assert await collected(path) == (DATA, len(DATA), content_type)
    with path.open("rb") as file:
        assert await collected(file) == (DATA, None, "application/octet-stream")
        assert not file.closed
    with path.open("rb", buffering=0) as file:
        assert (await collected(file))[0] == DATA
    with path.open(encoding="utf-8") as file:
        assert await collected(file) == (DATA, None, "text/plain")


async def test_a_file_is_sent_from_where_it_stands(tmp_path):
    (tmp_path / "x").write_bytes(DATA)
    with (tmp_path / "x").open("rb") as file:
        file.read(3)
        assert (await collected(file))[0] == DATA[3:]


@pytest.mark.parametrize("mode", ["rb", "r"])
async def test_a_pipe_is_sent_as_it_comes(mode):
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, mode) as file, os.fdopen(write_end, "wb", buffering=0) as other:
        got = body_of(file).pieces
        other.write(b"one\n")
        assert await anext(got) == b"one\n"
        other.write(b"two\n")
        assert await anext(got) == b"two\n"
        other.close()
        assert [piece async for piece in got] == []


async def test_files_are_read_in_threads(tmp_path):
    class File(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            assert threading.current_thread() is not threading.main_thread()
            return 0

    assert (await collected(File()))[0] == b""


@pytest.mark.parametrize("wrong", [5, None, {"a": 1}, object()])
def test_what_can_not_be_sent(wrong):
    with pytest.raises(TypeError, match="Can't send"):
        body_of(wrong)


async def test_chunks_that_can_not_be_sent():
    with pytest.raises(TypeError, match="A chunk must be bytes or str, not int"):
        await collected([1, 2])
    with pytest.raises(TypeError, match="A chunk must be bytes or str, not dict"):
        await collected(chunks({}))


def test_paths_that_can_not_be_sent(tmp_path):
    with pytest.raises(FileNotFoundError):
        body_of(tmp_path / "none")
    with pytest.raises(IsADirectoryError):
        body_of(tmp_path)


def test_large_chunks_are_cut_without_copying():
    data = bytes(PIECE * 2 + 1)
    cut = list(pieces(data))
    assert [len(piece) for piece in cut] == [PIECE, PIECE, 1]
    assert all(piece.obj is data for piece in cut)


def test_what_may_change_is_copied():
    data = bytearray(b"before")
    [piece] = pieces(data)
    data[:] = b"after!"
    assert bytes(piece) == b"before"


def test_views_of_any_shape():
    numbers = array.array("i", [1, 2, 3])
    assert b"".join(pieces(memoryview(numbers))) == numbers.tobytes()
    assert b"".join(pieces(memoryview(b"abcdef")[::2])) == b"ace"


async def test_many_small_chunks_are_joined():
    sizes = [len(piece) async for piece in body_of(b"x" * 10 for _ in range(100_000)).pieces]
    assert sum(sizes) == 1_000_000
    assert len(sizes) < 20


@given(st.lists(st.one_of(st.binary(), st.text(st.characters(exclude_categories=["Cs"]))), max_size=20))
async def test_nothing_is_lost_or_swapped(given_chunks):
    expected = b"".join(chunk.encode() if isinstance(chunk, str) else chunk for chunk in given_chunks)
    assert (await collected(given_chunks))[0] == expected
    assert (await collected(chunks(*given_chunks)))[0] == expected
