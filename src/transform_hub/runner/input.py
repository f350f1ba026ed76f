"""A Sequence's input: turns bytes of the link into items of its Stream, a block at a time.

A line that should be JSON and is not ends the input; the Instance fails once the items before it are processed.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from transform_hub.messages import HEAD, LengthPrefixedBuffer
from transform_hub.protocol import LineBuffer
from transform_hub.runner.content import is_document, is_json, is_messages, is_text
from transform_hub.runner.stream import Input as InputStream
from transform_hub.runner.values import ValueReader

READ_SIZE = 256 * 1024
LINE_LIMIT = 64 * 1024 * 1024
"""A line longer than this reaches the Sequence in pieces, so that memory stays bounded."""


class Input:
    """Feeds the link's input channel into the stream that ``run`` is given.

    Args:
        sock: the channel.
        want: by item: called with the bytes that the Sequence is done with, when it asks for another item.
    """

    def __init__(self, sock: socket.socket, want: Callable[[int], object] = lambda _: None) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._want = want
        self._is_by_item = False
        self._done = self._told = 0
        self._asked = asyncio.Event()
        self._content_type: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # The first writer's content type tells which items it will carry.
        self.stream: Any = InputStream(name="input")
        self._is_cut = False

    def set_content_type(self, content_type: str, *, by_item: bool = False) -> None:
        """Set the content type of the input, and whether each item has to be asked for; only the first call counts."""
        if not self._content_type.done():
            self._is_by_item = by_item
            self._content_type.set_result(content_type)

    @property
    def has_left(self) -> bool:
        """Whether the Sequence has not finished an item that it was given."""
        return self._is_by_item and self.stream._pyfca.unread > 0

    def repeat_want(self) -> None:
        """Ask again: another Hub may not have heard it."""
        if self._is_by_item and self._told:
            self._want(self._told - 1)

    async def pump(self) -> None:
        """Carry input to the stream until its end, or until the Sequence ends the stream."""
        stream = self.stream._pyfca
        try:
            async for items in self._items(await self._content_type):
                if stream.ended:
                    break
                await stream.feed(items)
        finally:
            self._end_stream()

    def end(self) -> None:
        """End the input: the Sequence gets what has come, also what only the kernel has yet."""
        self._is_cut = True
        if self._content_type.done():
            with contextlib.suppress(OSError):  # the Hub is gone
                self._sock.shutdown(socket.SHUT_RD)
        else:
            self._end_stream()

    def _end_stream(self) -> None:
        if not self.stream._pyfca.ended:
            self.stream._pyfca.end()

    def _items(self, content_type: str) -> AsyncIterator[list[Any]]:
        if self._is_by_item:
            return self._one_by_one(content_type)
        if is_messages(content_type):
            return self._messages()
        if is_json(content_type):
            return self._values(ValueReader(documents=is_document(content_type)))
        return self._lines() if is_text(content_type) else self._chunks()

    async def _chunks(self) -> AsyncIterator[list[bytes]]:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._sock, READ_SIZE):
            yield [data]

    async def _one_by_one(self, content_type: str) -> AsyncIterator[list[Any]]:
        engine = self.stream._pyfca
        engine.asked = self._note_asked
        reader = ValueReader(documents=False) if is_json(content_type) else None
        while True:
            while not (engine.is_waited_for or engine.ended):
                self._asked.clear()
                await self._asked.wait()
            self._note_asked()
            item = await self._item()
            if item is None:
                return
            values = [_text(item) if is_text(content_type) else item] if reader is None else reader.feed([_text(item)])
            if reader is not None and reader.failure is not None:
                raise reader.failure
            self._done += HEAD + len(item)  # not of one that is no JSON: the Sequence is never done with that
            yield values

    def _note_asked(self) -> None:
        """The Sequence is done with all that it has got: it reads, and there is nothing."""
        if self._told != self._done + 1:
            self._told = self._done + 1
            self._want(self._done)
        self._asked.set()

    async def _item(self) -> bytes | None:
        """The next item; None at the end."""
        loop, frame = asyncio.get_running_loop(), LengthPrefixedBuffer()
        wanted = HEAD
        while data := await loop.sock_recv(self._sock, min(wanted, READ_SIZE)):
            if messages := frame.messages(data):
                return messages[0]
            wanted = frame.missing or HEAD - frame.size
        return None

    async def _messages(self) -> AsyncIterator[list[bytes]]:
        buffer = LengthPrefixedBuffer()
        async for (data,) in self._chunks():
            if messages := buffer.messages(data):
                yield messages
        if buffer.size:
            raise ValueError(f"the input ends within a message, of which {buffer.size} bytes have come")

    async def _values(self, reader: ValueReader) -> AsyncIterator[list[Any]]:
        async for lines in self._lines():
            if len(lines) == 1 and len(lines[0]) > LINE_LIMIT / 4 and _is_piece(lines[0]):
                raise ValueError(f"line {reader.number + 1} of the input is longer than {LINE_LIMIT} bytes")
            yield reader.feed(lines)
            if reader.failure is not None:
                break
        else:
            yield reader.finish()
        if reader.failure is not None and not self._is_cut:
            raise reader.failure

    async def _lines(self) -> AsyncIterator[list[str]]:
        lines = LineBuffer()
        async for (data,) in self._chunks():
            if block := lines.block(data):
                yield _split(block)
            if lines.size > LINE_LIMIT:
                yield [_text(lines.flush())]
        if lines.size:
            yield [_text(lines.flush())]


def _is_piece(line: str) -> bool:
    return not line.endswith("\n") and len(line.encode("utf-8", "surrogateescape")) > LINE_LIMIT


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _split(data: bytes) -> list[str]:
    """Lines with their newline, which is the only line end here, unlike in str.splitlines."""
    return list(io.StringIO(_text(data), newline="\n"))
