"""JSON values, read from lines."""

import io
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transform_hub.runner import input as runner_input
from transform_hub.runner import values
from transform_hub.runner.values import ValueReader

TEXT = st.text(max_size=5)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)


def read(text, *, documents):
    reader = ValueReader(documents=documents)
    found = reader.feed(io.StringIO(text, newline="\n"))
    return found + reader.finish(), reader.failure


@given(st.lists(JSON, max_size=3), st.sampled_from([None, 0, 2, "\t"]), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_documents_are_read_however_they_are_laid_out(documents, indent, end, ascii_only):
    text = "".join(json.dumps(value, indent=indent, ensure_ascii=ascii_only) + "\n" for value in documents)
    assert read(text.replace("\n", end), documents=True) == (documents, None)
    if indent is None:
        assert read(text.replace("\n", end), documents=False) == (documents, None)


def test_nothing_is_read_after_a_failure():
    found, failure = read("1\noops\n2\n", documents=False)
    assert found == [1]
    assert str(failure) == "line 2 of the input is not JSON: Expecting value at column 1"


def test_a_document_that_is_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(values, "DOCUMENT_LIMIT", 100)
    found, failure = read("1\n[\n" + "2,\n" * 100 + "3]\n", documents=True)
    assert found == [1]
    assert str(failure) == "the document from line 2 of the input has more than 100 characters"


async def test_a_line_that_is_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(runner_input, "LINE_LIMIT", 1000)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"1\n[" + b"0," * 1000)
        items = runner_input.Input(ours)._items("application/x-ndjson")
        assert await anext(items) == [1]
        with pytest.raises(ValueError, match="line 2 of the input is longer than 1000 bytes"):
            await anext(items)
