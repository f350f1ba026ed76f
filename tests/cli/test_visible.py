"""Control characters of others become visible, wherever a chunk ends."""

import pytest

from transform_hub.cli.visible import VisibleStream, visible, visible_json, visible_lines


def shown(*chunks, encoding="utf-8"):
    stream = VisibleStream(encoding)
    return b"".join([*map(stream.shown, chunks), stream.rest()])


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        (b"a\tb\nc\r\n", b"a\tb\nc\r\n"),
        (b"50 %\r60 %\r", rb"50 %\r60 %\r"),
        (b"\x1b[1;38;5;9mx\x1b[m", b"\x1b[1;38;5;9mx\x1b[m"),
        (b"\x1b[31mx", b"\x1b[31mx\x1b[0m"),
        (b"\x1b[>4;1m\x1b[2J\x1b[6n\x1bc", rb"\x1b[>4;1m\x1b[2J\x1b[6n\x1bc"),
        (b"\x1b]52;c;eA==\x07\x1bP\x1b\\", rb"\x1b]52;c;eA==\x07\x1bP\x1b\\"[:-1]),
        (b"\xc2\x9b31m\xc2\x85\x9b31m\x7f\x00", rb"\x9b31m\x85\x9b31m\x7f\x00"),
        ("\u202ea\u2066b\u200f\u2028".encode(), rb"\u202ea\u2066b\u200f\u2028"),
        ("zażółć \U0001f600".encode(), "zażółć \U0001f600".encode()),
        (b"\xff\xe2\x82", rb"\xff\xe2\x82"),
        (b"\x1b[" + b"1;" * 99 + b"m", rb"\x1b[" + b"1;" * 99 + b"m"),
        (b"end \x1b[3", rb"end \x1b[3"),
    ],
)
def test_chunks_may_end_anywhere(written, seen):
    assert shown(written) == seen
    assert shown(*(bytes([each]) for each in written)) == seen
    assert [shown(written[:at], written[at:]) for at in range(len(written))] == [seen] * len(written)


def test_a_terminal_of_another_encoding_gets_no_byte_that_it_takes_for_a_control():
    assert shown("\u06db é".encode(), encoding="latin-1") == rb"\u06db " + b"\xe9"


def test_words_lines_and_json():
    assert visible("a\nb\t\x1b\x9b\u202e\udc80é") == r"a\nb\t\x1b\x9b\u202e\udc80é"
    assert visible_lines("a\n\tb\r\x1b") == "a\n\tb" + r"\r\x1b"
    assert visible_json('{\n"a": "\x7f\x9b\u202e"}') == '{\n"a": "' + r"\u007f\u009b\u202e" + '"}'
