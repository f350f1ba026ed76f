"""The past that a server tells to each reader of its log, recognized by one who knows it already.

    the same server      ... last line seen | what is new
    past not kept whole  lines newer than any that was seen ...
    server restarted     lines newer than any that was seen ...

What is told before the last line seen is not newer than the newest line seen: lines have a time stamp.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from transform_hub.client.cursor import Place

if TYPE_CHECKING:
    from transform_hub.client.reader import Reader

HELD = 1000
"""Lines kept until it is known whether they were seen; those before them are long past."""

_TIME = re.compile(rb'"ts":\s*(\d+)')


class Replay(Place):
    """In a log, by its lines; nothing can be recognized as long as none had a time."""

    def __init__(self) -> None:
        super().__init__()
        self._last = b""
        self._newest = 0
        self._cut = b""  # of the line after the last, what was given on already
        self._begun = b""
        self._held: deque[bytes] = deque(maxlen=HELD)

    def note(self, chunk: bytes) -> None:
        *lines, self._cut = (self._cut + chunk).split(b"\n")
        for line in lines:
            self._last = line
            self._newest = max(self._newest, _time(line))

    def begin(self, reader: Reader) -> None:
        self._begun = b""
        self._held.clear()
        self.is_resumed = None
        if not self._newest:
            self._differs([])

    def new(self, chunk: bytes) -> bytes:
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        for number, line in enumerate(lines, 1):
            if line == self._last:
                return self._after_last(lines[number:])
            self._held.append(line)
            if _time(line) > self._newest:
                return self._differs([*self._held, *lines[number:], self._begun])
        return b""

    def end(self) -> bytes:
        return self._differs([*self._held, self._begun])

    def _after_last(self, lines: list[bytes]) -> bytes:
        rest = b"\n".join((*lines, self._begun))
        if rest.startswith(self._cut):
            self.is_resumed = True
            return rest[len(self._cut) :]
        if self._cut.startswith(rest):  # the line that was cut off is not here yet: look again when more is
            self._begun = self._last + b"\n" + rest
            return b""
        return self._differs([rest])

    def _differs(self, pieces: Iterable[bytes]) -> bytes:
        """The log goes on with something else."""
        self.is_resumed = False
        self._cut = b""
        return b"\n".join(pieces)


def _time(line: bytes) -> int:
    """Milliseconds; 0 if there are none. A Manager puts the Hub's id before its line, so it need not be JSON."""
    match = _TIME.search(line)
    return int(match[1]) if match else 0
