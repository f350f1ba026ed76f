"""Who of several senders to one input may write now, so that a line of one is not torn by another."""

from __future__ import annotations

import asyncio


class LineTurns:
    """The line of an input that has begun and not ended, and whose it is.

    Attributes:
        lock: held by the one who writes.
        is_torn: whether a newline has to come before anything else.
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.is_torn = False
        self._is_open = False
        self._owner: object | None = None  # of the open line; None: anybody may go on with it
        self._senders: set[object] = set()
        self._changed = asyncio.Event()

    @property
    def is_alone(self) -> bool:
        """Whether there is one sender only."""
        return len(self._senders) == 1

    def is_free(self, sender: object) -> bool:
        """Whether a sender may write."""
        return not self._is_open or self._owner in (None, sender)

    def enter(self, sender: object, *, resumes: bool) -> None:
        """There is another sender; one that resumes replaces all others, and goes on within the line that is open."""
        if resumes:
            self._senders.clear()
            self._owner, self.is_torn = sender, False
            self.notify()
        self._senders.add(sender)

    def note(self, sender: object | None, *, is_open: bool) -> None:
        """Something was written, by a sender that counts, or by one (None) that another has replaced meanwhile."""
        self._is_open, self.is_torn = is_open, False
        if sender is not None:
            self._owner = sender
        self.notify()

    def leave(self, sender: object, *, continues: bool) -> None:
        """A sender is gone; whether the next one may go on within the line that it has left open."""
        self._senders.discard(sender)
        if self._owner is sender:
            self._owner, self.is_torn = None, self._is_open and not continues
            self.notify()

    def notify(self) -> None:
        """Wake who waits for :meth:`change`."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Wait until it may be somebody else's turn, or nobody's any more."""
        await self._changed.wait()
