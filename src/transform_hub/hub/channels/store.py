"""What a channel asks of the place where its bytes are."""

from __future__ import annotations

from typing import Protocol


class Store(Protocol):
    """The bytes of one stream, by their position in it."""

    @property
    def oldest(self) -> int:
        """The first position that can still be read."""

    @property
    def written(self) -> int:
        """The position behind the last byte."""

    @property
    def taken(self) -> int:
        """Up to where a reader has had it; another Hub goes on there."""

    def append(self, data: bytes) -> None:
        """Add bytes."""

    def read(self, position: int) -> bytes:
        """The bytes from a position on, as many as are in one piece; ``b""`` at ``written``."""

    def hold_from(self, position: int) -> None:
        """Keep all from this position on; what comes before may go when there is need of room."""

    def shrink(self, keep: int) -> None:
        """Nothing happens: keep only so many bytes of those that need not be held."""

    def take(self, position: int) -> None:
        """A reader has handed on all up to here."""

    def discard(self) -> None:
        """Forget all bytes: nothing is read any more."""
