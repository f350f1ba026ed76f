"""Arguments that run or block: iterables, files, token functions and callbacks run in the thread that makes the call.

An iterable is advanced while earlier chunks are being sent: each chunk is sent as soon as it is there, and many small
ones go out together:

    the caller's thread: next(), next(), ... ──> ready, up to LIMIT bytes ──> the portal's thread: a piece
"""

from __future__ import annotations

import asyncio
import inspect
import stat
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from transform_hub.client.body import PIECE, Body, Chunk, Progress, body_of, pieces, reading
from transform_hub.client.credentials import Token
from transform_hub.sync.mirror import original
from transform_hub.sync.portal import Call, current_call

T = TypeVar("T")

AT_ONCE = (str, bytes, bytearray, memoryview, list, tuple, dict)
"""Iterables that never block."""

LIMIT = 2 * PIECE
"""Bytes that an iterable may be ahead of the Hub."""


def token_of(token: Token | None) -> Token | None:
    """A token for the async client: a function is called in the caller's thread, where it may block."""
    if not callable(token):
        return token
    function: Callable[[], str | Awaitable[str]] = token

    async def fresh() -> str:
        call = current_call()
        value = await (asyncio.to_thread(function) if call is None else call.ask(function))
        return await value if inspect.isawaitable(value) else value

    return fresh


def progress_of(progress: Progress | None) -> Progress | None:
    """A progress callback that is called in the caller's thread, with the latest numbers."""
    if progress is None:
        return None
    latest: list[tuple[int, int | None]] = []

    def tell() -> None:
        figures = latest.pop()
        progress(*figures)

    def note(done: int, total: int | None) -> None:
        is_told = not latest
        latest[:] = [(done, total)]
        if is_told and (call := current_call()):
            call.post(tell)

    return note


def options_of(options: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments for the async client."""
    return {name: token_of(value) if name == "token" else value for name, value in options.items()}


def sendable(data: Any) -> Any:
    """Data that the async client can send without blocking its loop."""
    data = original(data)
    if isinstance(data, AsyncIterable):
        return data
    if isinstance(data, Path):
        return _of_path(data)
    if callable(getattr(data, "read", None)):
        return replace(body_of(data), pieces=_fed(_read(reading(data))))
    if isinstance(data, Iterable) and not isinstance(data, AT_ONCE):
        return Body(_fed(data))
    return data


def _of_path(path: Path) -> Path | Body:
    """Opening a named pipe waits for its other end; in a thread of a pool nothing could interrupt that."""
    if not path.exists() or not stat.S_ISFIFO(path.stat().st_mode):
        return path
    return replace(body_of(path), pieces=_fed(_open_and_read(path)))


def _open_and_read(path: Path) -> Iterator[Chunk]:
    with path.open("rb") as file:
        yield from _read(reading(file))


def _read(read: Callable[[], Chunk]) -> Iterator[Chunk]:
    while chunk := read():
        yield chunk


async def _fed(chunks: Iterable[Any]) -> AsyncGenerator[bytes | memoryview, None]:
    call = current_call()
    assert call is not None, "data is sent in a call"
    feed = _Feed(chunks, call)
    while piece := await feed.take():
        yield piece


class _Feed:
    """An iterable, advanced in the thread that waits for a call."""

    def __init__(self, chunks: Iterable[Any], call: Call[Any]) -> None:
        self._chunks = chunks
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._iterator: Iterator[Any] | None = None  # made where it is advanced
        self._ready: deque[bytes | memoryview] = deque()
        self._put = 0
        self._taken = 0
        self._is_filling = False
        self._is_done = False
        self._failure: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    async def take(self) -> bytes | memoryview:
        """What is ready, up to a piece; empty at the end."""
        while not self._ready and not self._is_done:
            self._refill()
            self._waiting = self._loop.create_future()
            if not self._ready:  # checked again: the other thread puts first and then looks for a waiter
                await self._waiting
            self._waiting = None
        if not self._ready:
            if self._failure is not None:
                raise self._failure
            return b""
        self._refill()
        return self._piece()

    def _piece(self) -> bytes | memoryview:
        taken = [self._ready.popleft()]
        size = len(taken[0])
        while self._ready and size + len(self._ready[0]) <= PIECE:
            taken.append(self._ready.popleft())
            size += len(taken[-1])
        self._taken += size
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _refill(self) -> None:
        if not self._is_filling and not self._is_done and self._put - self._taken < LIMIT // 2:
            self._is_filling = True
            self._call.post(self._fill)

    def _fill(self) -> None:
        """In the caller's thread: advance the iterable until there is enough, or something else to do."""
        try:
            self._iterator = self._iterator or iter(self._chunks)
            for chunk in self._iterator:
                self._give(chunk)
                if self._put - self._taken >= LIMIT or self._call.is_wanted:
                    break
            else:
                self._is_done = True
        except Exception as error:  # noqa: BLE001 - it is raised where the data is sent
            self._failure, self._is_done = error, True
        self._loop.call_soon_threadsafe(self._filled)

    def _give(self, chunk: Chunk) -> None:
        for piece in pieces(chunk):
            self._put += len(piece)
            self._ready.append(piece)
        if self._waiting is not None:
            self._loop.call_soon_threadsafe(self._wake)

    def _filled(self) -> None:
        self._is_filling = False
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
