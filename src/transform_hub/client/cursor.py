"""Where a followed or tapped stream is, and whether it resumes there after a lost connection.

Cursor     live        topics                   continues with what is sent from then on: something may be missing
Position   by bytes    output, stdout, stderr   continues at the byte asked for, if the Hub still keeps it
Tap        by bytes    any of these             the same, for a copy: it skips what it is too slow for
Replay     by lines    logs (see replay.py)     begins anew: what was seen is skipped
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from transform_hub.errors import HubResponseError
from transform_hub.models.rules import POSITION

if TYPE_CHECKING:
    from transform_hub.client.reader import Reader


class Cursor:
    """In a stream of which the client doesn't know where it resumes.

    Attributes:
        is_resumed: after ``begin``, whether the stream resumes where it was lost; None while that is unknown.
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
        """Take note that the stream was opened, for the first time or again."""

    def note(self, chunk: bytes) -> None:
        """Take note of what was given to the user."""

    def new(self, chunk: bytes) -> bytes:
        """The new part of what was read since ``begin``; empty while ``is_resumed`` is None."""
        return chunk

    def end(self) -> bytes:
        """The rest, when the stream has ended while ``is_resumed`` was None: it counts as new."""
        self.is_resumed = False
        return b""


class Position(Cursor):
    """Counts by bytes, as the Hub does; STH doesn't."""

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


class Tap(Position):
    """Counts the bytes of a copy, of which the Hub drops what the reader is too slow for.

    It then ends the connection, and the next one begins with what it still keeps.
    """

    def begin(self, reader: Reader) -> None:
        if reader.position is None:  # the Hub has ignored ?tap=true, and the reader takes data from others
            raise HubResponseError("This Hub has no taps", status=200, **reader._about())  # noqa: SLF001
        super().begin(reader)
