"""A Sequence's output: turns what ``run`` returned into bytes on the link, in batches of the items at hand."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from time import monotonic
from typing import Any

from scramjet.streams import Stream

from transform_hub.messages import head
from transform_hub.runner import frames, origin, serialize
from transform_hub.runner.content import RAW, is_json, is_messages, media_type
from transform_hub.runner.log import LOGGER
from transform_hub.runner.pipeline import TURN
from transform_hub.runner.serialize import dumps
from transform_hub.runner.tables import Table, table

_GATHER = 64 * 1024


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


class Encoder:
    """Turns the items of an output into bytes.

    Args:
        content_type: of the output.
        schema: of pyarrow, for a table whose columns the Sequence has declared.

    Raises:
        ImportError: it needs a package that the Sequence does not have.
    """

    def __init__(self, content_type: str, schema: Any = None) -> None:
        self._is_messages = is_messages(content_type)
        self._table: Table | None = table(media_type(content_type), schema)
        self.direct = _NONE if self._is_messages else _TEXT if self._table is not None else _PLAIN
        self.encode = encode_json if is_json(content_type) else encode

    def parts(self, item: Any, number: int) -> Iterator[str | bytes]:
        """What is written for an item of no ``direct`` type: a frame has many lines."""
        if self._is_messages:
            yield from _message(item, number)
        elif isinstance(item, (str, bytes, bytearray, memoryview)):
            yield self.encode(item, number)
        elif self._table is not None:
            with _refusing(number):
                yield from self._table.write(item)
        elif frames.is_frame(item):
            with _refusing(number):
                for rows in frames.rows(item):
                    yield "".join(_line(row)[0] for row in rows).encode("utf-8", "backslashreplace")
        else:
            yield self.encode(item, number)

    def finish(self, number: int) -> Iterator[str | bytes]:
        """What comes after the last item, the n-th."""
        if self._table is not None:
            with _refusing(number):
                yield from self._table.finish()


class OutputError(TypeError):
    """An item of the output can't be written."""


_NONE: frozenset[type] = frozenset()
_TEXT = frozenset((str, bytes))
_FAST = frozenset((dict, list))
_PLAIN = _TEXT | {dict, list, int, float, bool, type(None)}


@contextlib.contextmanager
def _refusing(number: int) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise OutputError(f"item {number} of the output can't be written: {error}") from error


def _message(item: Any, number: int) -> Iterator[bytes]:
    with _refusing(number):
        if not isinstance(item, (bytes, bytearray, memoryview)):
            raise TypeError(f"a message must be bytes, not {type(item).__name__}")
        data = bytes(item)
        yield head(len(data)) + data


def encode(item: Any, number: int) -> str | bytes:
    """One item of an output whose content type is not JSON."""
    if isinstance(item, str):
        return item
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    return encode_json(item, number)


def encode_json(item: Any, number: int) -> bytes:
    """One item as a line of JSON; NaN and infinities become null.

    Raises:
        OutputError: nothing in JSON stands for it, or for a part of it.
    """
    try:  # most items, as fast as can be
        if type(item) in _FAST:
            return (dumps(item) + "\n").encode()
    except (TypeError, ValueError, RecursionError):
        pass
    with _refusing(number):
        line, not_finite = _line(item)
    if not_finite is not None:
        _tell_not_finite(number, not_finite)
    # backslashreplace escapes a lone surrogate as JSON does.
    return line.encode("utf-8", "backslashreplace")


def _line(item: Any) -> tuple[str, str | None]:
    """A line of JSON, and where the first NaN or infinity was."""
    if isinstance(item, (bytes, bytearray, memoryview)):
        raise TypeError("bytes are not JSON serializable; yield the value, or declare another content type")
    try:
        return dumps(item) + "\n", None
    except (TypeError, ValueError, RecursionError):
        value, not_finite = serialize.plain(item)
        return dumps(value) + "\n", not_finite


_told: set[str] = set()


def _tell_not_finite(number: int, path: str) -> None:
    """Warn of the first such item of this Instance."""
    if not _told:
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
    if frames.is_frame(result):
        return iter((result,))
    if (to_plain := frames.converter(type(result))) is not None:  # a column
        result = to_plain(result)
    if result is None:
        return iter(())
    single = serialize.is_record(result) or not isinstance(result, Iterable) or getattr(result, "shape", None) == ()
    return iter((result,)) if single else iter(result)


async def pump_output(result: Any, output: Output, content_type: str, run: Any = None, schema: Any = None) -> None:
    """Write all items of what ``run`` returned.

    Args:
        result: a Stream, an (async) iterable, or a single value; None is no output.
        output: where to.
        content_type: decides how items become bytes.
        run: the function that gave it, which an error may name.
        schema: of pyarrow, for Arrow and Parquet, if the Sequence has declared one.

    Raises:
        OutputError: an item can't be written; says which, why, and where it came from.
    """
    source = items(result)
    encoder = Encoder(content_type, schema)
    try:
        if isinstance(source, AsyncIterator):
            number = await _pump_async(source, output, encoder)
        else:
            number = await _pump_sync(source, output, encoder, at_hand=isinstance(result, Collection))
        for part in encoder.finish(number):
            output.put(part)
    except OutputError as error:
        raise OutputError(f"{error}{origin.of_item(source, run)}") from None
    finally:  # a generator that has not ended runs its own `finally` blocks
        if inspect.isasyncgen(source):
            await source.aclose()
        elif inspect.isgenerator(source):
            source.close()


async def _pump_async(source: AsyncIterator[Any], output: Output, encoder: Encoder) -> int:
    """Write all items; how many there were."""
    direct, encode = encoder.direct, encoder.encode
    turn = monotonic() + TURN
    number = 0
    async for item in source:
        number += 1
        if type(item) in direct:
            output.put(encode(item, number))
        else:
            turn = await _put_parts(encoder.parts(item, number), output, turn)
        if output.full or monotonic() > turn:
            turn = await _give_way(output, turn)
    return number


async def _pump_sync(source: Iterator[Any], output: Output, encoder: Encoder, *, at_hand: bool) -> int:
    """Write all items; how many there were."""
    direct, encode = encoder.direct, encoder.encode
    turn = monotonic() + TURN
    number = 0
    for number, item in enumerate(source, 1):
        if type(item) in direct:
            output.put(encode(item, number))
        else:
            turn = await _put_parts(encoder.parts(item, number), output, turn)
        if not at_hand and not output.send():  # a generator may block before its next item
            await output.flush()
        if output.full or monotonic() > turn:
            turn = await _give_way(output, turn)
    return number


async def _put_parts(parts: Iterator[str | bytes], output: Output, turn: float) -> float:
    for part in parts:
        output.put(part)
        if output.full or monotonic() > turn:
            turn = await _give_way(output, turn)
    return turn


async def _give_way(output: Output, turn: float) -> float:
    """Flush if full, and let other tasks run if the turn is over; returns the end of the next turn."""
    if output.full:
        await output.flush()
    if monotonic() < turn:
        return turn
    await asyncio.sleep(0)
    return monotonic() + TURN
