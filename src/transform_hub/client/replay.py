"""The past that a server tells to each reader of its log, recognized by one who knows it already.

    the same server      ... last line seen | what is new
    past not kept whole  lines newer than any that was seen ...
    server restarted     lines newer than any that was seen ...

What is told before the last line seen is not newer than the newest line seen: lines have a time stamp.
"""

from __future__ import annotations

import re
from collections import deque

HELD = 1000
"""Lines kept until it is known whether they were seen; those before them are long past."""

_TIME = re.compile(rb'"ts":\s*(\d+)')


class Replay:
    """Where a log is, and where it goes on when it is read anew.

    Attributes:
        is_resumed: after ``begin``, whether the log goes on right behind the last line seen; None if that is not known
            yet.
    """

    def __init__(self) -> None:
        self.is_resumed: bool | None = False
        self._last = b""
        self._newest = 0
        self._begun = b""
        self._held: deque[bytes] = deque(maxlen=HELD)

    def note(self, chunk: bytes) -> None:
        """Remember what was read."""
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        for line in lines:
            self._last = line
            self._newest = max(self._newest, _time(line))

    def begin(self) -> None:
        """The log is read anew; nothing can be recognized if no line had a time."""
        self._begun = b""
        self._held.clear()
        self.is_resumed = None if self._newest else False

    def new(self, chunk: bytes) -> bytes:
        """What was not seen before of what was read since ``begin``; nothing as long as that is not known."""
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        for number, line in enumerate(lines, 1):
            if line == self._last:
                self.is_resumed = True
                return self._from([], lines[number:])
            self._held.append(line)
            if _time(line) > self._newest:
                self.is_resumed = False
                return self._from(self._held, lines[number:])
        return b""

    def _from(self, held: deque[bytes] | list[bytes], lines: list[bytes]) -> bytes:
        rest, self._begun = self._begun, b""
        return b"\n".join((*held, *lines, rest))


def _time(line: bytes) -> int:
    """Milliseconds; 0 if there are none. A Manager puts the Hub's id before its line, so it need not be JSON."""
    match = _TIME.search(line)
    return int(match[1]) if match else 0
