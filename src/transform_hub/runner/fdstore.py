"""What a zygote keeps of Instances so that they outlive their Hub: its ends of their channels, and how they ended.

While there is no Hub no connection of a runner breaks, because the ends are held here too: what a runner writes stays
in the kernel's buffers, and when these are full the runner waits.
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


class Keeper:
    """Keeps them, and is found by another Hub.

    Args:
        path: the socket where that Hub connects, in a directory that goes with this process.
        timeout: seconds to wait for it.

    Raises:
        FileNotFoundError: the Hub that made the directory has ended already.
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
        """Whether it holds no channels."""
        return not self._held

    def hold(self, instance: str, held: Held) -> None:
        """Take the channels of an Instance, in the place of those of the run before."""
        self._close(instance)
        if len(held.descriptors) == len(held.channels):
            self._held[instance] = held
        else:  # more than the system lets this process have: this Instance ends with its Hub
            close(held.descriptors)

    def note_exit(self, instance: str, status: int) -> None:
        """Remember how a runner has ended: a Hub that is told may die before it has understood."""
        self._exits[instance] = status

    def forget_exit(self, instance: str) -> None:
        """Another run begins."""
        self._exits.pop(instance, None)

    def release(self, instance: str) -> None:
        """Nothing of an Instance is needed any more."""
        self.forget_exit(instance)
        self._close(instance)

    def _close(self, instance: str) -> None:
        close(self._held.pop(instance, NOTHING).descriptors)

    def begin_to_wait(self) -> None:
        """There is no Hub from now on."""
        self._deadline = time.monotonic() + self._timeout

    @property
    def time_left(self) -> float:
        """Seconds in which another Hub may still come."""
        return max(0.0, self._deadline - time.monotonic())

    def told(self, pids: Mapping[str, int]) -> Iterator[tuple[dict[str, Any], list[int]]]:
        """The messages, and the descriptors with each, that tell a Hub what there is.

        Args:
            pids: of the runners that are there, by Instance.
        """
        for instance in {**pids, **self._exits, **self._held}:
            channels, descriptors = self._held.get(instance, NOTHING)
            about = {"pid": pids.get(instance), "status": self._exits.get(instance), "channels": channels}
            yield {"held": instance, **about}, descriptors
        yield {"held": None}, []

    def drop(self) -> None:
        """Have nothing of it in a process that was forked from this one."""
        self.socket.close()
        for held in self._held.values():
            close(held.descriptors)

    def close(self) -> None:
        """Be found no more."""
        self.socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def close(descriptors: Iterable[int]) -> None:
    """Close descriptors."""
    for descriptor in descriptors:
        os.close(descriptor)
