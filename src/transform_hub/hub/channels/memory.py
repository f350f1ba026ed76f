"""The bytes of a stream in this process's memory: gone with it."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import islice

JOIN = 64 * 1024
"""Bytes that small chunks are joined up to when they are read; larger ones are handed on uncopied."""


LIMIT = 1024 * 1024
"""Bytes that a channel holds before its writers wait."""

UNREAD_LIMIT = 8 * LIMIT
"""Bytes of stdout, and of stderr, that are held; the oldest go while nobody reads."""


class MemoryStore:
    """Chunks as they came, by the position of their first byte.

    Args:
        keep: bytes, the latest of the stream, that stay readable though all readers have had them: what a full channel
            holds, and half of that to go on at.
    """

    def __init__(self, keep: int = LIMIT * 7 // 4) -> None:
        self.written = 0
        self.taken = 0
        self._keep = keep
        self._held_from = 0
        self._chunks: deque[bytes] = deque()
        self._starts: deque[int] = deque()

    @property
    def oldest(self) -> int:
        return self._starts[0] if self._starts else self.written

    def append(self, data: bytes) -> None:
        self._chunks.append(data)
        self._starts.append(self.written)
        self.written += len(data)
        self.shrink(self._keep)

    def read(self, position: int) -> bytes:
        if position >= self.written:
            return b""
        index = bisect_right(self._starts, position) - 1
        chunk = self._chunks[index]
        if offset := position - self._starts[index]:
            chunk = chunk[offset:]
        if len(chunk) >= JOIN or index + 1 == len(self._chunks):
            return chunk
        parts, size = [chunk], len(chunk)
        for following in islice(self._chunks, index + 1, None):
            size += len(following)
            if size > JOIN:
                break
            parts.append(following)
        return b"".join(parts)

    def hold_from(self, position: int) -> None:
        self._held_from = position
        self.shrink(self._keep)

    def take(self, position: int) -> None:
        self.taken = max(self.taken, position)

    def discard(self) -> None:
        self._chunks.clear()
        self._starts.clear()

    def shrink(self, keep: int) -> None:
        """Drop chunks that need not be held and are too old to be kept; the last one stays."""
        while len(self._chunks) > 1 and self._starts[1] <= self._held_from and self.written - self._starts[0] > keep:
            self._chunks.popleft()
            self._starts.popleft()
