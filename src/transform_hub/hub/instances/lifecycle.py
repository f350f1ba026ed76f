"""The states of an Instance.

          ┌─ restart ──┬───────────┐  ┌─── kept alive ────┐
          v            │           │  v                   │
    initializing ─> starting ─> running ─ stop ─> stopping ─┐
          │            │           │                 │      │ kill
          │            │           └───── kill ──────┴──────┴──> killing
          v            v           v                 v             v
          └────────────┴───────────┴──── exit ───────┴─────────────┘
                                   │
                       completed | errored ── 15 s, retention ──> gone

    initializing   the runner is being started and dials its channels; or there is none, and a restart follows
    starting       all channels are there, the Sequence is being loaded
    running        until it ends by itself, is stopped or killed
    stopping       it was asked to stop; it may ask to be kept alive
    killing        it has moments to end, then its process is ended
    completed      it came to its end, or was stopped or killed
    errored        it failed, or its process died
    gone           nobody can see it any more; from any state when the Hub closes or the start was refused

An exit is the end, or leads back to initializing if the restart policy says so (see
:mod:`transform_hub.hub.instances.restarts`); while an Instance is stopping or killing it is always the end.

Exit and kill, loading and stop race by nature, so going where the table does not lead is no error: it is refused
and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from transform_hub.models import ENDED, InstanceStatus

TRANSITIONS: dict[InstanceStatus, tuple[InstanceStatus, ...]] = {
    "initializing": ("initializing", "starting", "killing", "completed", "errored", "gone"),
    "starting": ("initializing", "running", "stopping", "killing", "completed", "errored", "gone"),
    "running": ("initializing", "stopping", "killing", "completed", "errored", "gone"),
    "stopping": ("running", "killing", "completed", "errored", "gone"),
    "killing": ("completed", "errored", "gone"),
    "completed": ("gone",),
    "errored": ("gone",),
    "gone": (),
}


class Lifecycle:
    """Which state an Instance is in, and a way to wait for another.

    Args:
        on_enter: called with each state that is entered.
    """

    def __init__(self, on_enter: Callable[[InstanceStatus], None]) -> None:
        self.status: InstanceStatus = "initializing"
        self._on_enter = on_enter
        self._changed = asyncio.Event()

    @property
    def has_ended(self) -> bool:
        """Whether the Instance does nothing more."""
        return self.status in ENDED

    def enter(self, status: InstanceStatus) -> bool:
        """Go to a state; False if no way leads there from here, and nothing has changed."""
        if status not in TRANSITIONS[self.status]:
            return False
        self.status = status
        self._on_enter(status)
        self.notify()
        return True

    def notify(self) -> None:
        """Wake who waits for :meth:`change`."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Wait until something has changed: the state, or what else :meth:`notify` was called for."""
        await self._changed.wait()

    async def leave(self, status: InstanceStatus) -> None:
        """Wait until the Instance is no longer in a state."""
        while self.status == status:
            await self.change()
