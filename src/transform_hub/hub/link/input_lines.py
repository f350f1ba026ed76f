"""Whole lines of several senders to one input.

    JSON              each one's whole lines are handed on; what has no newline yet waits for it, up to LINE_LIMIT
    text, several     the same
    text, one sender  its bytes are handed on as they come, half a line included: it may wait for an answer to that
    ... a line begun  while its sender was the only one: the others wait until that line is whole, or its sender gone

What a sender leaves in the middle of a line:

    it breaks off     what was handed on gets a newline before the next sender's first line; what was not is dropped
    it comes to its   all of it is handed on. JSON gets a newline before the next sender's first line; text gets none,
    end               since STH joins text byte by byte: a sender may send a line in two requests
    it is replaced    by one that gives a position: that one goes on within the line

The newline is written before the next sender learns the position at which it begins.
"""

from __future__ import annotations

from types import TracebackType

from transform_hub.hub.channels.channel import ChannelClosedError
from transform_hub.hub.link.runner_input import SinkWriter
from transform_hub.models.rules import JSON_TYPES, NDJSON_TYPES
from transform_hub.protocol import LineBuffer

LINE_LIMIT = 16 * 1024 * 1024
"""Bytes of a line that are kept until it is complete; a longer one is handed on in pieces."""

_JSON = (*NDJSON_TYPES, *JSON_TYPES)


def has_lines(media_type: str) -> bool:
    """Whether an input of a media type is made of lines."""
    return media_type in _JSON or media_type.startswith("text/")


class LineWriter(SinkWriter):
    """One sender of lines.

    Args:
        writer: what it writes with.
        media_type: of the input.
        resumes: whether it goes on with what another has begun.
    """

    def __init__(self, writer: SinkWriter, media_type: str, *, resumes: bool) -> None:
        super().__init__(writer.sink, writer.generation)
        self._turns = self.sink.turns
        self._resumes = resumes
        self._is_json = media_type in _JSON
        self._kept = LineBuffer()
        self._is_complete = False

    async def begin(self) -> None:
        """Begin a line, if another has left one unfinished.

        Raises:
            ChannelClosedError: see :meth:`write`.
        """
        if self._turns.is_torn:
            await self._send(b"")
        self.position = self.sink.position

    async def write(self, data: bytes) -> None:
        if self._turns.is_alone and not self._is_json:  # a piece of JSON is of use to nobody, and can't be taken back
            await self._send(self._kept.flush() + data if self._kept.size else data)
            return
        if lines := self._kept.block(data):
            await self._send(lines)
        if self._kept.size >= LINE_LIMIT:
            await self._send(self._kept.flush())

    async def finish(self) -> None:
        if self._kept.size:
            await self._send(self._kept.flush())
        self._is_complete = True

    async def _send(self, data: bytes) -> None:
        while True:
            async with self._turns.lock:
                if not self.is_current:
                    raise ChannelClosedError
                if self._turns.is_free(self):
                    await self._put(b"\n" + data if self._turns.is_torn else data)
                    return
            await self._turns.change()

    async def _put(self, data: bytes) -> None:
        before = self.sink.position
        try:
            await super().write(data)
        finally:  # a part of it, when the client goes away meanwhile
            if sent := self.sink.position - before:
                self._turns.note(self if self.is_current else None, is_open=data[sent - 1 : sent] != b"\n")

    def __enter__(self) -> LineWriter:  # noqa: PYI034 - Self is in typing since 3.11
        self._turns.enter(self, resumes=self._resumes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turns.leave(self, continues=self._is_complete and not self._is_json)
