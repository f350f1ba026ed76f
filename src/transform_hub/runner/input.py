"""A Sequence's input: turns bytes of the link into items of its Stream, a block at a time.

A line that should be JSON and is not ends the input; the Instance fails once the items before it are processed.
"""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

from scramjet.streams import StringStream

from transform_hub.protocol import LineBuffer
from transform_hub.runner.content import is_json, is_text

READ_SIZE = 256 * 1024
LINE_LIMIT = 64 * 1024 * 1024
"""A line longer than this reaches the Sequence in pieces, so that memory stays bounded."""

_decode = json.JSONDecoder().raw_decode


class Input:
    """Feeds the link's input channel into the stream that ``run`` is given."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._content_type: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # A StringStream has all operators; the first writer's type tells which items it will carry.
        self.stream = StringStream(max_parallel=64, name="input")

    def set_content_type(self, content_type: str) -> None:
        """Set the content type of the input; only the first call counts."""
        if not self._content_type.done():
            self._content_type.set_result(content_type)

    async def pump(self) -> None:
        """Carry input to the stream until its end, or until the Sequence ends the stream."""
        stream = self.stream._pyfca
        try:
            async for items in self._items(await self._content_type):
                if stream.ended:
                    break
                await stream.feed(items)
        finally:
            if not stream.ended:
                stream.end()

    def _items(self, content_type: str) -> AsyncIterator[list[Any]]:
        if is_json(content_type):
            return self._values()
        return self._lines() if is_text(content_type) else self._chunks()

    async def _chunks(self) -> AsyncIterator[list[bytes]]:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._sock, READ_SIZE):
            yield [data]

    async def _values(self) -> AsyncIterator[list[Any]]:
        number = 0
        async for lines in self._lines():
            values, failure = [], None
            for line in lines:
                number += 1
                try:
                    if line.strip():
                        values.append(_value(line, number))
                except ValueError as error:
                    failure = error
                    break
            yield values
            if failure is not None:
                raise failure

    async def _lines(self) -> AsyncIterator[list[str]]:
        lines = LineBuffer()
        async for (data,) in self._chunks():
            if block := lines.block(data):
                yield _split(block)
            if lines.size > LINE_LIMIT:
                yield [_text(lines.flush())]
        if lines.size:
            yield [_text(lines.flush())]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _split(data: bytes) -> list[str]:
    """Lines with their newline, which is the only line end here, unlike in str.splitlines."""
    return list(io.StringIO(_text(data), newline="\n"))


def _value(line: str, number: int) -> Any:
    text = line.strip(" \t\r\n")
    try:
        value, end = _decode(text)  # a third faster than json.loads, which is called only for its message
        if end != len(text):
            json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} of the input is not JSON: {error}") from None
    if value is None:
        raise ValueError(f"line {number} of the input is null, which to a Stream is its end")
    return value
