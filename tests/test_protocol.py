"""The pieces of the link protocol that need no runner."""

from hypothesis import given
from hypothesis import strategies as st

from transform_hub.protocol import LineBuffer

STREAMS = st.lists(st.lists(st.sampled_from([b"", b"a", b"bc", b"\r"])).map(b"".join).flatmap(
    lambda text: st.sampled_from([text, text + b"\n", b"\n" + text])
))  # fmt: skip


@given(STREAMS)
def test_lines_do_not_depend_on_how_a_stream_is_cut(chunks):
    lines, blocks = LineBuffer(), LineBuffer()
    whole = b"".join(chunks)
    complete = whole[: whole.rfind(b"\n") + 1]
    assert [line for chunk in chunks for line in lines.lines(chunk)] == [
        line + b"\n" for line in complete.split(b"\n")[:-1]
    ]
    assert b"".join(blocks.block(chunk) for chunk in chunks) == complete
    rest = whole[len(complete) :]
    assert lines.size == blocks.size == len(rest)
    assert lines.flush() == blocks.flush() == rest
    assert lines.size == 0 and lines.flush() == b""  # noqa: PT018 - both say that it is empty


def test_whole_chunks_of_lines_are_not_copied():
    chunk = b"one\ntwo\n"
    assert LineBuffer().block(chunk) is chunk
