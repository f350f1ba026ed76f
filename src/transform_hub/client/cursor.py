"""Where a followed stream is, and whether it goes on there when it is opened anew.

Place      live        topics                   with what is sent from then on: something may be missing
Position   by bytes    output, stdout, stderr   at the byte that is asked for, if the Hub still keeps it
Replay     by lines    logs (see replay.py)     at their beginning: what was seen is left out
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transform_hub.client.reader import Reader

POSITION = "X-Stream-Position"
"""Of an answer: the position of its first byte in the stream; of a request: where to go on."""


class Place:
    """In a stream that keeps nothing for those who come back.

    Attributes:
        is_resumed: after ``begin``, whether the stream goes on right where it was lost; None if that is not known yet.
        missing: bytes that are lost if it does not; None if nobody knows.
    """

    def __init__(self) -> None:
        self.is_resumed: bool | None = False
        self.missing: int | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Of the request that opens the stream."""
        return {}

    def begin(self, reader: Reader) -> None:
        """The stream was opened, perhaps anew."""

    def note(self, chunk: bytes) -> None:
        """Remember what was given on."""

    def new(self, chunk: bytes) -> bytes:
        """What was not seen before of what was read since ``begin``; nothing as long as that is not known."""
        return chunk

    def end(self) -> bytes:
        """The stream has ended before that was known: what is left counts as new."""
        self.is_resumed = False
        return b""


class Position(Place):
    """In a stream whose bytes the Hub counts; STH does not."""

    def __init__(self) -> None:
        super().__init__()
        self._next: int | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        return {} if self._next is None else {POSITION: str(self._next)}

    def begin(self, reader: Reader) -> None:
        wanted, self._next = self._next, reader.position
        self.missing = None
        if wanted is not None and self._next is not None and self._next >= wanted:  # else it is another stream
            self.missing = self._next - wanted
        self.is_resumed = self.missing == 0

    def note(self, chunk: bytes) -> None:
        if self._next is not None:
            self._next += len(chunk)
