"""A Sequence's output: turns what ``run`` returned into bytes on the link, in batches of the items at hand."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from time import monotonic
from typing import Any

from scramjet.streams import Stream

from transform_hub.runner.content import RAW, is_json
from transform_hub.runner.log import LOGGER
from transform_hub.runner.pipeline import TURN
from transform_hub.runner.values import finite

_GATHER = 64 * 1024
_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

Convert = Callable[[Any, int], str | bytes]
"""Turns an item of the output, the n-th, into what is written."""


class Output:
    """Writes to the link's output channel; waits while the Hub pushes back.

    A waiting caller may be cancelled at any point: unsent data is kept for the next ``flush``.

    Attributes:
        written: bytes given to the kernel.
        full: enough is gathered; flush before putting more.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.written = 0
        self.full = False
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._gathered: list[str | bytes] = []
        self._size = 0
        self._rest = memoryview(b"")
        self._flushing = asyncio.Lock()
        self._scheduled = False
        self._leaving: asyncio.Task[None] | None = None

    @property
    def pending(self) -> bool:
        """Whether the kernel has not taken all data yet."""
        return bool(self._rest or self._gathered)

    def put(self, data: str | bytes) -> None:
        """Gather ``data``; it goes out in the event loop's next turn, or with ``send`` or ``flush``."""
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= _GATHER:
            self.full = True
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._leave)

    def send(self) -> bool:
        """Give the kernel what it takes now; True if that was all."""
        while self.pending:
            if not self._rest:
                self._rest = memoryview(self._take())
            try:
                sent = self._sock.send(self._rest)
            except BlockingIOError:
                return False
            self._rest = self._rest[sent:]
            self.written += sent
        return True

    async def flush(self) -> None:
        """Wait until the kernel has taken all data."""
        async with self._flushing:
            while not self.send():
                await self._writable()

    async def close(self) -> None:
        """Flush, then end the stream."""
        await self.flush()
        self._sock.shutdown(socket.SHUT_WR)

    def _leave(self) -> None:
        self._scheduled = False
        with contextlib.suppress(OSError):  # the next flush meets it again
            if not self.send() and not self._flushing.locked():
                self._leaving = self._loop.create_task(self.flush())

    def _take(self) -> bytes:
        parts, self._gathered, self._size, self.full = self._gathered, [], 0, False
        try:
            return "".join(parts).encode("utf-8", RAW)  # type: ignore[arg-type]
        except TypeError:
            raw = [part.encode("utf-8", RAW) if isinstance(part, str) else part for part in parts]
            return raw[0] if len(raw) == 1 else b"".join(raw)

    async def _writable(self) -> None:
        writable = asyncio.Event()
        self._loop.add_writer(self._sock, writable.set)
        try:
            await writable.wait()
        finally:
            self._loop.remove_writer(self._sock)


def encode(item: Any, number: int) -> str | bytes:
    """One item of an output whose content type is not JSON."""
    if isinstance(item, str):
        return item
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    return encode_json(item, number)


def encode_json(item: Any, number: int) -> bytes:
    """One item as a line of JSON; NaN and infinities become null."""
    try:
        line = _dumps(item)
    except ValueError as error:
        if not str(error).startswith("Out of range float"):
            raise
        item, path = finite(item)
        line = _dumps(item)
        _tell_not_finite(number, path)
    # backslashreplace escapes a lone surrogate as JSON does.
    return line.encode("utf-8", "backslashreplace") + b"\n"


_told: set[str] = set()


def _tell_not_finite(number: int, path: str | None) -> None:
    """Warn of the first such item of this Instance."""
    if path is not None and not _told:
        _told.add(path)
        LOGGER.warning(
            "Item %d of the output has NaN or an infinity at %s, which JSON can't say: written as null. "
            "Further ones are not told.",
            number,
            path,
        )


def items(result: Any) -> AsyncIterator[Any] | Iterator[Any]:
    """An iterator over the items of what ``run`` returned."""
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
    convert = encode_json if is_json(content_type) else encode
    try:
        if isinstance(source, AsyncIterator):
            await _pump_async(source, output, convert)
        else:
            await _pump_sync(source, output, convert, at_hand=isinstance(result, Collection))
    finally:  # a generator that has not ended runs its own `finally` blocks
        if inspect.isasyncgen(source):
            await source.aclose()
        elif inspect.isgenerator(source):
            source.close()


async def _pump_async(source: AsyncIterator[Any], output: Output, convert: Convert) -> None:
    turn = monotonic() + TURN
    number = 0
    async for item in source:
        number += 1
        output.put(convert(item, number))
        if output.full or monotonic() > turn:
            turn = await _give_way(output, turn)


async def _pump_sync(source: Iterator[Any], output: Output, convert: Convert, *, at_hand: bool) -> None:
    turn = monotonic() + TURN
    for number, item in enumerate(source, 1):
        output.put(convert(item, number))
        if not at_hand and not output.send():  # a generator may block before its next item
            await output.flush()
        if output.full or monotonic() > turn:
            turn = await _give_way(output, turn)


async def _give_way(output: Output, turn: float) -> float:
    """Flush if full, and let other tasks run if the turn is over; returns the end of the next turn."""
    if output.full:
        await output.flush()
    if monotonic() < turn:
        return turn
    await asyncio.sleep(0)
    return monotonic() + TURN
