"""Events from Instance to Instance: which runners listen to which, and how they get them.

An event is encoded once, and queued for the runners that listen. What is queued is written at once, but not more often
than every ``PAUSE``, and to a few runners in a turn of the event loop: thousands of events a second become few writes.
"""

from __future__ import annotations

import asyncio
from typing import Any

from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.run import event_line
from transform_hub.protocol import NAMES_LIMIT, NAMES_SIZE_LIMIT

PAUSE = 0.02
"""Seconds in which events are collected, after a write, for the next."""

WRITES = 20
"""Runners that are written to in one turn of the event loop."""


class Listeners:
    """The Instances whose runners listen to events.

    A runner that has told no names yet gets all events: it may be about to listen, or an earlier Hub knew its names.
    """

    def __init__(self) -> None:
        self._names: dict[Instance, set[str]] = {}
        self._sizes: dict[Instance, int] = {}
        self._by_name: dict[str, dict[Instance, None]] = {}
        self._untold: dict[Instance, None] = {}  # a dict, for its order
        self._of_all: dict[Instance, None] = {}
        self._queued: dict[Instance, None] = {}
        self._is_due = False
        self._flushed = float("-inf")

    def expect(self, instance: Instance) -> None:
        """A runner of an Instance comes, of which nothing is known."""
        self.remove(instance)
        self._untold[instance] = None

    def add(self, instance: Instance, names: list[str] | None) -> None:
        """Its runner listens to events of these names, too; None means of any."""
        if instance in self._untold:
            del self._untold[instance]
            self._names[instance], self._sizes[instance] = set(), 0
        known = self._names.get(instance)
        if known is None:  # it gets all, or has ended
            return
        for name in names or ():
            if name not in known:
                known.add(name)
                self._sizes[instance] += len(name)
                self._by_name.setdefault(name, {})[instance] = None
        if names is None or len(known) > NAMES_LIMIT or self._sizes[instance] > NAMES_SIZE_LIMIT:
            self.remove(instance)
            self._of_all[instance] = None

    def remove(self, instance: Instance) -> None:
        """It has ended."""
        self._untold.pop(instance, None)
        self._of_all.pop(instance, None)
        self._sizes.pop(instance, None)
        for name in self._names.pop(instance, ()):
            del self._by_name[name][instance]
            if not self._by_name[name]:
                del self._by_name[name]

    def of(self, name: str) -> list[Instance]:
        """Those that get events of a name."""
        return [*self._by_name.get(name, ()), *self._of_all, *self._untold]

    def tell(self, source: Instance, name: str, message: Any) -> None:
        """Send an event of an Instance to all others that listen."""
        others = [instance for instance in self.of(name) if instance is not source]
        if not others:
            return
        line = event_line(name, message, source.id)
        for instance in others:
            instance.run.queue_event(line)
            self._queued[instance] = None
        if not self._is_due:
            self._is_due = True
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time(), self._flushed + PAUSE), self._flush)

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        for instance in [*self._queued][:WRITES]:
            del self._queued[instance]
            instance.run.flush_events()
        self._flushed = loop.time()
        self._is_due = bool(self._queued)
        if self._is_due:
            loop.call_soon(self._flush)
