"""Following a log: a server sends its past to every reader, and the cursor skips what was seen before.

    the same server           ... last line seen | what is new
    past no longer complete   lines newer than any that was seen ...
    server restarted          lines newer than any that was seen ...

Lines have a time stamp: those before the last line seen are not newer than the newest line seen.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from transform_hub.client.cursor import Cursor
from transform_hub.protocol import LineBuffer

if TYPE_CHECKING:
    from transform_hub.client.reader import Reader

HELD = 1000
"""Lines kept until it is known whether they were seen; those before them are long past."""

_TIME = re.compile(rb'"ts":\s*(\d+)')


class Replay(Cursor):
    """Counts by lines of a log; can't recognize anything until a line has a time stamp."""

    def __init__(self) -> None:
        super().__init__()
        self._given = LineBuffer()  # has the start of the line after the last, if that was given on already
        self._last = b""
        self._newest = 0
        self._again = LineBuffer()
        self._held: deque[bytes] = deque(maxlen=HELD)
        self._found: bytes | None = None  # what follows the last line seen, while too little is there to compare

    def note(self, chunk: bytes) -> None:
        for line in self._given.lines(chunk):
            self._last = line
            self._newest = max(self._newest, _time(line))

    def begin(self, reader: Reader) -> None:
        self._again.flush()
        self._held.clear()
        self._found = None
        self.is_resumed = None
        if not self._newest:
            self._differs()

    def new(self, chunk: bytes) -> bytes:
        if self._found is not None:
            return self._after_last(self._found + chunk)
        lines = self._again.lines(chunk)
        for number, line in enumerate(lines, 1):
            if line == self._last:
                return self._after_last(b"".join((*lines[number:], self._again.flush())))
            self._held.append(line)
            if _time(line) > self._newest:
                return self._differs(*self._held, *lines[number:], self._again.flush())
        return b""

    def end(self) -> bytes:
        if self._found is not None:
            return self._differs(self._found)
        return self._differs(*self._held, self._again.flush())

    def _after_last(self, rest: bytes) -> bytes:
        cut = self._given.flush()
        if rest.startswith(cut):
            self.is_resumed = True
            self._given.block(cut)
            return rest[len(cut) :]
        if cut.startswith(rest):  # the line that was cut off is not here yet: compare again when more is
            self._given.block(cut)
            self._found = rest
            return b""
        return self._differs(rest)

    def _differs(self, *pieces: bytes) -> bytes:
        """The log does not continue where it was lost."""
        self.is_resumed = False
        self._given.flush()
        return b"".join(pieces)


def _time(line: bytes) -> int:
    """Milliseconds; 0 if there are none. A Manager puts the Hub's id before its line, so it need not be JSON."""
    match = _TIME.search(line)
    return int(match[1]) if match else 0
