"""Where the items of a topic begin and end: a line, a message, or nothing that could be told apart."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from transform_hub.hub.errors import ApiError
from transform_hub.hub.link.input_lines import LINE_LIMIT
from transform_hub.messages import HEAD, LengthPrefixedBuffer, MessageTooLongError
from transform_hub.models.rules import BINARY, MESSAGES, NDJSON_TYPES
from transform_hub.protocol import LineBuffer


class ItemBuffer(Protocol):
    """Makes whole items of what one writer writes.

    Attributes:
        size: bytes of the item that has begun and not ended.
        ends: where the messages end in the block that was made last; empty for lines.
        missing: bytes that the begun item still lacks, as far as that is known.
    """

    ends: list[int]

    @property
    def size(self) -> int: ...

    @property
    def missing(self) -> int: ...

    def block(self, data: bytes) -> bytes:
        """Add bytes; the items that are whole now.

        Raises:
            ApiError: these are no items.
        """

    def finish(self) -> bytes:
        """The writer has come to its end: what becomes of the item that it has begun.

        Raises:
            ApiError: there can't be half an item.
        """


def buffer_for(content_type: str, *, limit: int = LINE_LIMIT) -> ItemBuffer | None:
    """What makes items of a content type; None if it has none."""
    if content_type == BINARY:
        return None
    if content_type == MESSAGES:
        return _Messages()
    return _Lines(limit, b"\n" if content_type in NDJSON_TYPES else b"")


class _Lines:
    missing = 0
    ends: list[int] = []  # noqa: RUF012 - nobody changes it

    def __init__(self, limit: int, end: bytes) -> None:
        self._lines, self._limit, self._end = LineBuffer(), limit, end

    @property
    def size(self) -> int:
        return self._lines.size

    def block(self, data: bytes) -> bytes:
        whole = self._lines.block(data)
        return whole + self._lines.flush() if self._lines.size >= self._limit else whole

    def finish(self) -> bytes:
        return self._lines.flush(self._end) if self._lines.size else b""


class _Messages(LengthPrefixedBuffer):
    def block(self, data: bytes) -> bytes:
        try:
            return super().block(data)
        except MessageTooLongError as error:
            raise ApiError(400, f"The topic carries {MESSAGES}; this is {error}") from None

    def finish(self) -> bytes:
        if self.size:
            size = self.size
            self.flush()
            raise ApiError(400, f"The last message is not whole: it ends after {size} bytes, its length included")
        return b""


class Starts:
    """Where the messages of a topic begin, as far back as somebody may begin to read.

    Args:
        begin: where one does.
    """

    def __init__(self, begin: int) -> None:
        self._starts = [begin]

    def note(self, begin: int, ends: Iterable[int], oldest: int) -> None:
        """Messages were added; what is older than ``oldest`` is not asked for any more."""
        self._starts.extend(begin + end for end in ends)
        if self._starts[0] < oldest and (old := bisect_right(self._starts, oldest) - 1) > len(self._starts) // 2:
            del self._starts[:old]

    def before(self, position: int) -> int:
        """Where the message begins that a position is in."""
        place = bisect_right(self._starts, position) - 1
        return self._starts[place] if place >= 0 else position


def ends_of_messages(peek: Callable[[int], bytes], position: int, end: int) -> Iterator[int]:
    """Where messages end that are between two positions."""
    start = position
    while position + HEAD <= end:
        head = peek(position)[:HEAD]
        while len(head) < HEAD:  # a ring has it in two pieces
            head += peek(position + len(head))[: HEAD - len(head)]
        position += HEAD + int.from_bytes(head, "big")
        yield position - start


class Cutter:
    """Cuts the first whole item off the bytes of a topic.

    Args:
        content_type: of the topic.
        peek: gives bytes of it from a position on, ``b""`` at its end.
        limit: bytes that a topic holds; a line that has no end within so many is handed on as it is.
    """

    def __init__(self, content_type: str, peek: Callable[[int], bytes], limit: int) -> None:
        self._is_messages = content_type == MESSAGES
        self._peek, self._limit = peek, limit
        self._ahead, self._from = bytearray(), 0

    def cut(self, position: int, *, is_last: bool) -> bytes:
        """The item that begins at a position, ``b""`` if it is not whole yet.

        Args:
            position: where the one before ends, or any other.
            is_last: whether nothing more is written: a line needs no newline then.
        """
        if position != self._from:
            self._ahead.clear()
        searched = 0
        while not (end := self._end(searched)):
            searched = len(self._ahead)
            more = self._peek(position + searched)
            if not more:
                end = searched if is_last or (searched >= self._limit and not self._is_messages) else 0
                break
            self._ahead += more
        item = bytes(memoryview(self._ahead)[:end])
        del self._ahead[:end]
        self._from = position + end
        return item

    def _end(self, searched: int) -> int:
        if not self._is_messages:
            return self._ahead.find(b"\n", searched) + 1
        if len(self._ahead) < HEAD:
            return 0
        end = HEAD + int.from_bytes(self._ahead[:HEAD], "big")
        return end if len(self._ahead) >= end else 0
