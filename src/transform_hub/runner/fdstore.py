"""The zygote's fd store: the Hub's ends of the channels, and the exits, of Instances that outlive their Hub.

Without a Hub no connection of a runner breaks, because the zygote holds a copy of the other end: what a runner writes
stays in the kernel's buffers, and the runner waits when they are full.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Held(NamedTuple):
    """The Hub's ends of an Instance's channels."""

    channels: list[str]
    descriptors: list[int]


NOTHING = Held([], [])


class FdStore:
    """Holds channels and exits until the next Hub connects and takes them.

    Args:
        path: the socket where that Hub connects; its directory is removed with this process.
        timeout: seconds to wait for that Hub.

    Raises:
        FileNotFoundError: the Hub that made the directory has already ended.
    """

    def __init__(self, path: str, timeout: float) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        self.socket.listen()
        self._folder = Path(path).parent
        self._timeout = timeout
        self._deadline = 0.0
        self._exits: dict[str, int] = {}
        self._held: dict[str, Held] = {}

    @property
    def is_empty(self) -> bool:
        return not self._held

    def hold(self, instance: str, held: Held) -> None:
        """Take the channels of an Instance; those of its previous run are closed."""
        self._close(instance)
        if len(held.descriptors) == len(held.channels):
            self._held[instance] = held
        else:  # the descriptor limit was hit: this Instance ends with its Hub
            close(held.descriptors)

    def hold_more(self, instance: str, more: Held) -> None:
        """Take some more of an Instance."""
        there = self._held.get(instance)
        if there is None or len(more.descriptors) < len(more.channels):  # it ends with its Hub anyway, or has to now
            self._close(instance)
            close(more.descriptors)
        else:
            self._held[instance] = Held(there.channels + more.channels, there.descriptors + more.descriptors)

    def note_exit(self, instance: str, status: int) -> None:
        """Remember how a runner ended: the Hub that is told may die before it has handled the message."""
        self._exits[instance] = status

    def forget_exit(self, instance: str) -> None:
        self._exits.pop(instance, None)

    def release(self, instance: str) -> None:
        """Drop everything held for an Instance."""
        self.forget_exit(instance)
        self._close(instance)

    def _close(self, instance: str) -> None:
        close(self._held.pop(instance, NOTHING).descriptors)

    def begin_to_wait(self) -> None:
        self._deadline = time.monotonic() + self._timeout

    @property
    def time_left(self) -> float:
        """Seconds left for another Hub to connect."""
        return max(0.0, self._deadline - time.monotonic())

    def messages(self, pids: Mapping[str, int]) -> Iterator[tuple[dict[str, Any], list[int]]]:
        """The messages, each with its descriptors, that hand everything over to a Hub.

        Args:
            pids: process ids of the live runners, by Instance.
        """
        for instance in {**pids, **self._exits, **self._held}:
            channels, descriptors = self._held.get(instance, NOTHING)
            about = {"pid": pids.get(instance), "status": self._exits.get(instance), "channels": channels}
            yield {"held": instance, **about}, descriptors
        yield {"held": None}, []

    def drop(self) -> None:
        """Close this process's copies, after a fork."""
        self.socket.close()
        for held in self._held.values():
            close(held.descriptors)

    def close(self) -> None:
        """Stop listening and remove the directory."""
        self.socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
