"""A Sequence's input and output: bytes of the link on one side, Python values on the other.

    content type            input gives                      output takes
    text/*                  str, one line each, with its     str, bytes; other values become JSON lines
                            newline
    application/x-ndjson,   values, one per line of JSON     any JSON value, one per line
    application/json
    anything else           bytes as they come, <= 256 KiB   bytes, str; other values become JSON lines

Text is UTF-8. Bytes that are not are kept as lone surrogates, so they leave a text Sequence as they came in.
A line that is not JSON where it should be ends the input; the Instance fails once what came before is worked off.
"""

from __future__ import annotations

import asyncio
import codecs
import inspect
import json
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from scramjet import pyfca, utils
from scramjet import streams as framework
from scramjet.streams import Stream, StringStream

if not pyfca.DEBUG:
    # The framework words a dozen debug messages per chunk, whether anybody sees them or not: a third of its time.
    pyfca.fmt = framework.tr = utils.pprint_chunk = lambda *_: ""

READ_SIZE = 256 * 1024
LINE_LIMIT = 64 * 1024 * 1024
"""A line longer than this reaches the Sequence in pieces, so that memory stays bounded."""

_GATHER = 64 * 1024

RAW = "transform_hub.raw"
"""Error handler of encoders: lone surrogates that stand for bytes become these bytes, others an escape."""


def _encode_surrogates(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    codes = [ord(letter) for letter in error.object[error.start : error.end]]
    raw = (bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else b"\\u%04x" % code for code in codes)
    return b"".join(raw), error.end


codecs.register_error(RAW, _encode_surrogates)


def is_text(content_type: str) -> bool:
    return content_type.lower().startswith("text/") and not is_json(content_type)


def is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in (
        "application/x-ndjson",
        "application/ndjson",
        "text/x-ndjson",
        "application/json",
    )


class Input:
    """Feeds the link's input channel into the stream that ``run`` is given."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._content_type: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # A StringStream has all operators; which items it will carry is known with the first writer's type.
        self.stream = StringStream(max_parallel=64, name="input")

    def set_content_type(self, content_type: str) -> None:
        """Say what the input is; only the first time counts."""
        if not self._content_type.done():
            self._content_type.set_result(content_type)

    async def pump(self) -> None:
        """Carry input to the stream until its end."""
        content_type = await self._content_type
        try:
            async for item in self._items(content_type):
                await self.stream.write(item)
        finally:
            self.stream.end()

    def _items(self, content_type: str) -> AsyncIterator[Any]:
        if is_json(content_type):
            return self._values()
        return self._lines() if is_text(content_type) else self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._sock, READ_SIZE):
            yield data

    async def _values(self) -> AsyncIterator[Any]:
        number = 0
        async for line in self._lines():
            number += 1
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number} of the input is not JSON: {error}") from None
            if value is None:
                raise ValueError(f"line {number} of the input is null, which to a Stream is its end")
            yield value

    async def _lines(self) -> AsyncIterator[str]:
        parts: list[bytes] = []
        size = 0
        async for data in self._chunks():
            head, newline, tail = data.rpartition(b"\n")
            if newline:
                for line in b"".join([*parts, head]).decode("utf-8", "surrogateescape").split("\n"):
                    yield line + "\n"
                parts, size = [], 0
            if tail:
                parts.append(tail)
                size += len(tail)
            if size > LINE_LIMIT:
                yield b"".join(parts).decode("utf-8", "surrogateescape")
                parts, size = [], 0
        if parts:
            yield b"".join(parts).decode("utf-8", "surrogateescape")


class Output:
    """Writes to the link's output channel; waits while the Hub pushes back.

    Whoever waits here may be cancelled at any point: what was not sent yet is kept for the next ``flush``.

    Attributes:
        written: bytes that are with the kernel.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.written = 0
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._gathered: list[bytes] = []
        self._size = 0
        self._rest = memoryview(b"")
        self._flushing = asyncio.Lock()
        self._scheduled: asyncio.Task[None] | None = None

    @property
    def pending(self) -> bool:
        """Whether something was written that is not with the kernel yet."""
        return bool(self._rest or self._gathered)

    async def write(self, data: bytes) -> None:
        """Write ``data``; small pieces written in one turn of the event loop leave together."""
        if not data:
            return
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= _GATHER:
            await self.flush()
        elif self._scheduled is None or self._scheduled.done():
            self._scheduled = self._loop.create_task(self.flush())

    async def flush(self) -> None:
        """Wait until all that was written is with the kernel."""
        async with self._flushing:
            while self.pending:
                if not self._rest:
                    data = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
                    self._rest, self._gathered, self._size = memoryview(data), [], 0
                try:
                    sent = self._sock.send(self._rest)
                except BlockingIOError:
                    await self._writable()
                else:
                    self._rest = self._rest[sent:]
                    self.written += sent

    async def _writable(self) -> None:
        writable = asyncio.Event()
        self._loop.add_writer(self._sock, writable.set)
        try:
            await writable.wait()
        finally:
            self._loop.remove_writer(self._sock)

    async def close(self) -> None:
        """Flush, then tell the Hub that this was all."""
        await self.flush()
        self._sock.shutdown(socket.SHUT_WR)


def as_bytes(item: Any, content_type: str) -> bytes:
    """One item of a Sequence's output as it goes out."""
    if not is_json(content_type):
        if isinstance(item, str):
            return item.encode("utf-8", RAW)
        if isinstance(item, (bytes, bytearray, memoryview)):
            return bytes(item)
    # For a lone surrogate the escape that backslashreplace makes is the one of JSON.
    return json.dumps(item, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"


def items(result: Any) -> AsyncIterator[Any] | Iterator[Any]:
    """What ``run`` returned, as an iterator over the items of its output."""
    if isinstance(result, Stream) or hasattr(result, "__aiter__"):
        iterator: AsyncIterator[Any] = result.__aiter__()
        return iterator
    if result is None:
        return iter(())
    single = isinstance(result, (str, bytes, bytearray, memoryview, dict)) or not isinstance(result, Iterable)
    return iter((result,)) if single else iter(result)


async def pump_output(result: Any, output: Output, content_type: str) -> None:
    """Write all items of what ``run`` returned.

    Args:
        result: a Stream, an (async) iterable, or a single value; None is no output.
        output: where to.
        content_type: decides how items become bytes.
    """
    source = items(result)
    try:
        if isinstance(source, AsyncIterator):
            async for item in source:
                await output.write(as_bytes(item, content_type))
        else:
            for item in source:
                await output.write(as_bytes(item, content_type))
                await asyncio.sleep(0)  # events and stop handlers get their turn between two items
    finally:  # a generator that is not at its end has its own `finally` blocks
        if inspect.isasyncgen(source):
            await source.aclose()
        elif inspect.isgenerator(source):
            source.close()
