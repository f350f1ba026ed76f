"""Bodies: bytes, text, files and iterables of chunks, all cut into pieces of bytes."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from transform_hub.messages import head
from transform_hub.models.rules import BINARY, NDJSON

Chunk = bytes | bytearray | memoryview | str
Sendable = Chunk | Path | IO[bytes] | IO[str] | Iterable[Chunk] | AsyncIterable[Chunk]
"""Everything that can be sent.

Text is sent as UTF-8. The async clients advance a sync iterable in the event loop, so it must not block: use an async
one then. Files are read in threads; files that were passed in open are not closed.
"""

Progress = Callable[[int, int | None], object]
"""Called while data moves: with the bytes so far, and the total if it is known."""

PIECE = 256 * 1024
"""Bytes that are handed to the connection, or read from a file, at once."""

Messages = Iterable[bytes | bytearray | memoryview] | AsyncIterable[bytes | bytearray | memoryview]
"""Whole messages."""

TEXT = "text/plain"

_TYPES = dict.fromkeys((".txt", ".csv", ".tsv", ".md", ".log", ".html", ".xml", ".yaml", ".yml"), TEXT)
_TYPES |= {".ndjson": NDJSON, ".jsonl": NDJSON}


@dataclass
class Body:
    """The body of a request.

    Attributes:
        pieces: at most 256 KiB each; can be iterated once.
        length: in bytes, None if it is not known beforehand.
        content_type: the obvious one for what it was made from.
    """

    pieces: AsyncGenerator[bytes | memoryview, None]
    length: int | None = None
    content_type: str = BINARY


def body_of(data: Sendable | Body) -> Body:
    """Make a body from anything that can be sent.

    Raises:
        TypeError: ``data`` can't be sent.
        OSError: there is no such file, or it can't be opened.
    """
    if isinstance(data, Body):
        return data
    if isinstance(data, (str, bytes, bytearray, memoryview)):
        return _whole(data)
    if isinstance(data, os.PathLike):
        return _path(Path(data))
    if isinstance(data, AsyncIterable):  # before files: a Reader has a read(), too
        return Body(_async_chunks(data))
    if callable(getattr(data, "read", None)):
        return _file(data)
    if isinstance(data, Iterable) and not isinstance(data, dict):
        return Body(_sync_chunks(data))
    raise TypeError(f"Can't send {type(data).__name__}: pass bytes, str, Path, an open file or an iterable of chunks")


def pieces(chunk: Chunk) -> Iterator[bytes | memoryview]:
    """Cut a chunk into pieces of at most 256 KiB; immutable bytes are not copied.

    Raises:
        TypeError: the chunk is neither text nor bytes.
    """
    if isinstance(chunk, str):
        chunk = chunk.encode()
    if isinstance(chunk, bytes) and len(chunk) <= PIECE:
        if chunk:
            yield chunk
        return
    if not isinstance(chunk, (bytes, bytearray, memoryview)):
        raise TypeError(f"A chunk must be bytes or str, not {type(chunk).__name__}")
    view = memoryview(chunk)
    view = view.cast("B") if view.contiguous else memoryview(view.tobytes())
    for start in range(0, view.nbytes, PIECE):
        piece = view[start : start + PIECE]
        # The connection may hold on to a piece while its owner changes it.
        yield piece if view.readonly else bytes(piece)


async def framed(messages: Messages) -> AsyncGenerator[bytes, None]:
    """Messages, each with its length before it.

    Raises:
        TypeError: one is not bytes, or it is one message and not several.
        ValueError: one is too long.
    """
    if isinstance(messages, (str, bytes, bytearray, memoryview)):
        raise TypeError(f"messages must be an iterable of messages, not {type(messages).__name__}: use [message]")
    if isinstance(messages, AsyncIterable):
        async for message in messages:
            yield _framed(message)
        return
    for message in messages:
        yield _framed(message)
        await asyncio.sleep(0)  # a long list must not block the loop


def _framed(message: bytes | bytearray | memoryview) -> bytes:
    if not isinstance(message, (bytes, bytearray, memoryview)):
        raise TypeError(f"A message must be bytes, not {type(message).__name__}")
    data = bytes(message)
    return head(len(data)) + data


def _whole(chunk: Chunk) -> Body:
    if isinstance(chunk, str):
        encoded = chunk.encode()
        return Body(_cut(encoded), len(encoded), TEXT)
    return Body(_cut(chunk), memoryview(chunk).nbytes)


async def _cut(chunk: Chunk) -> AsyncGenerator[bytes | memoryview, None]:
    for piece in pieces(chunk):
        yield piece


async def _async_chunks(chunks: AsyncIterable[Any]) -> AsyncGenerator[bytes | memoryview, None]:
    async for chunk in chunks:
        for piece in pieces(chunk):
            yield piece


async def _sync_chunks(chunks: Iterable[Any]) -> AsyncGenerator[bytes | memoryview, None]:
    """Join small chunks: the next one is there at once, so this delays nothing."""
    small: list[bytes | memoryview] = []
    size = 0
    for chunk in chunks:
        for piece in pieces(chunk):
            small.append(piece)
            size += len(piece)
            if size >= PIECE // 4:
                yield b"".join(small) if len(small) > 1 else piece
                small, size = [], 0
                await asyncio.sleep(0)  # a long list must not block the loop
    if small:
        yield b"".join(small)


def _path(path: Path) -> Body:
    info = path.stat()
    if stat.S_ISDIR(info.st_mode):
        raise IsADirectoryError(errno.EISDIR, "A directory can't be sent", str(path))
    length = info.st_size if stat.S_ISREG(info.st_mode) else None
    return Body(_read_path(path), length, _TYPES.get(path.suffix.lower(), BINARY))


def _file(file: Any) -> Body:
    is_text = isinstance(file, io.TextIOBase) or "b" not in str(getattr(file, "mode", "b"))
    return Body(_read(file), None, TEXT if is_text else BINARY)


async def _read_path(path: Path) -> AsyncGenerator[bytes | memoryview, None]:
    with await asyncio.to_thread(path.open, "rb") as file:
        async for piece in _read(file):
            yield piece


async def _read(file: Any) -> AsyncGenerator[bytes | memoryview, None]:
    read = reading(file)
    in_memory = isinstance(file, (io.BytesIO, io.StringIO))
    while chunk := (read() if in_memory else await asyncio.to_thread(read)):
        for piece in pieces(chunk):
            yield piece


def reading(file: Any) -> Callable[[], Chunk]:
    """A function that reads what is there, rather than wait until there is enough."""
    if isinstance(file, io.TextIOBase) and not file.seekable():
        return file.readline
    if isinstance(file, (io.BufferedReader, io.BufferedRandom)):
        return lambda: file.read1(PIECE)
    return lambda: file.read(PIECE)
