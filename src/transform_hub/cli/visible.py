r"""Text of others on a terminal: control characters become visible, so that none of them drives it.

    in tables, logs, notes, errors    all of them, as ``\x1b``; a log entry stays one line
    in streams                        the same, but newline, tab and colours (SGR) pass; with ``--raw`` all do

A control is also a direction mark: one in a name lets the rest of the line read backwards.
"""

from __future__ import annotations

import codecs
import re

_CONTROL = r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
_LONGEST = 64
"""Characters that the numbers of a colour may take; more are no colour."""
_COLOR = rf"\x1b\[[0-9;:]{{0,{_LONGEST}}}m"
_IN_WORDS = re.compile(_CONTROL)
_IN_LINES = re.compile(rf"(?![\n\t]){_CONTROL}")
_IN_STREAMS = re.compile(rf"({_COLOR})|\r\n|(?![\n\t])({_CONTROL})")
_UNFINISHED = re.compile(rf"(?:\x1b(?:\[[0-9;:]{{0,{_LONGEST}}})?|\r)\Z")
_NO_COLOR = "\x1b[0m"


def visible(text: str) -> str:
    """A text in one line, its control characters visible."""
    return _IN_WORDS.sub(_escape, text)


def visible_lines(text: str) -> str:
    """A text whose newlines and tabs stay."""
    return _IN_LINES.sub(_escape, text)


def visible_json(text: str) -> str:
    """The same JSON, with the escapes that JSON has for its control characters."""
    return _IN_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class VisibleStream:
    """Makes the chunks of a stream fit for a terminal.

    Args:
        encoding: of the terminal. What it lacks is escaped, and bytes that are not UTF-8: 0x9b may be a control.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""  # may be the beginning of a colour
        self._colored = False

    def shown(self, chunk: bytes) -> bytes:
        """What to write now."""
        text = self._held + self._decoder.decode(chunk)
        held = _UNFINISHED.search(text)
        self._held = held[0] if held else ""
        return self._encoded(text.removesuffix(self._held))

    def rest(self) -> bytes:
        """What to write when the stream has ended; a colour that was left on ends, too."""
        rest = self._encoded(self._held + self._decoder.decode(b"", final=True))
        return rest + _NO_COLOR.encode() if self._colored else rest

    def _encoded(self, text: str) -> bytes:
        return _IN_STREAMS.sub(self._replacement, text).encode(self._encoding, "backslashreplace")

    def _replacement(self, found: re.Match[str]) -> str:
        color, control = found.groups()
        if color is not None:
            self._colored = color not in (_NO_COLOR, "\x1b[m")
        return found[0] if control is None else _escape(found)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
