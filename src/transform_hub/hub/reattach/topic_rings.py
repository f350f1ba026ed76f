"""Topics in memory that outlives the Hub.

A topic is a ring (see :mod:`transform_hub.hub.reattach.ring`) in a memfd of its own, which the descriptor store holds.
A line is put into the ring and then counted, which is one write of a word: a Hub that is killed has added it or not.
"""

from __future__ import annotations

import logging
import mmap
import os
import secrets
from collections.abc import Iterable, Iterator

from transform_hub.hub import descriptors
from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.channels.reader import ChannelReader
from transform_hub.hub.errors import ApiError
from transform_hub.hub.reattach.fdstore import FdStore, Survivor
from transform_hub.hub.reattach.group_items import PREFIX as GROUPS
from transform_hub.hub.reattach.group_items import GroupItems
from transform_hub.hub.reattach.ring import CAPACITY, CHUNK, Ring
from transform_hub.hub.reattach.shared_memory import SharedMemory, make_memory
from transform_hub.hub.topics.local import LocalTopic

log = logging.getLogger(__name__)

PREFIX = "topic:"
"""Begins the names under which topics are held; no Instance's id has a colon."""


class TopicRing:
    """The ring of a topic: a store that takes items of any length whole.

    Args:
        fdstore: what holds its memory, under a name.
        descriptor: of the memory that an earlier Hub has made.
    """

    def __init__(self, fdstore: FdStore, name: str, descriptor: int | None = None) -> None:
        self._fdstore, self._name = fdstore, name
        self._descriptor, self._mapped, self.ring = _memory(CAPACITY, descriptor)
        if descriptor is None:
            self.ring.number = secrets.randbits(63) | 1
        fdstore.hold(name, {"topic": self._descriptor})

    @property
    def oldest(self) -> int:
        return self.ring.oldest

    @property
    def written(self) -> int:
        return self.ring.written

    @property
    def taken(self) -> int:
        return self.ring.taken

    def append(self, data: bytes) -> None:
        needed = max(CAPACITY, self.ring.written - self.ring.held_from + len(data) + CHUNK)
        if needed > self.ring.capacity or needed == CAPACITY < self.ring.capacity:
            self._move(needed)
        self.ring.put(data)
        self.ring.commit(len(data))

    def read(self, position: int) -> bytes:
        return self.ring.read(position)

    def hold_from(self, position: int) -> None:
        self.ring.held_from = position

    def shrink(self, keep: int) -> None:
        self.ring.shrink(keep)

    def take(self, position: int) -> None:
        self.ring.take(position)

    def discard(self) -> None:
        self.ring.close()
        self._mapped.close()
        os.close(self._descriptor)

    def _move(self, capacity: int) -> None:
        """Take memory for longer, or no longer for such long, items; what is kept goes along."""
        old_descriptor, old_mapped, old = self._descriptor, self._mapped, self.ring
        self._descriptor, self._mapped, self.ring = _memory(capacity)
        self.ring.copy(old)
        self._fdstore.hold(self._name, {"topic": self._descriptor})
        old.close()
        old_mapped.close()
        os.close(old_descriptor)


def _memory(capacity: int, descriptor: int | None = None) -> tuple[int, SharedMemory, Ring]:
    """Memory for a ring: new, or that of an earlier Hub."""
    if descriptor is None:
        descriptor = make_memory("topic", mmap.PAGESIZE + capacity)
    try:
        mapped = SharedMemory(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, mapped, Ring(mapped.view[:], lambda offset, size: mapped.free(mmap.PAGESIZE + offset, size))


def _require_descriptors() -> None:
    if lack := descriptors.lack(descriptors.PER_TOPIC):
        raise ApiError(503, f"No further topic, or group of readers: {lack}")


class _TopicChannel(Channel):
    """Gives the memory back when the topic was deleted and its last reader has gone."""

    def __init__(self, fdstore: FdStore, name: str, descriptor: int | None = None) -> None:
        super().__init__(ring := TopicRing(fdstore, name, descriptor))
        self.number = ring.ring.number
        self._fdstore, self._name = fdstore, name

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._fdstore.release(self._name)
            self._let_go()

    def leave(self, reader: ChannelReader) -> None:
        super().leave(reader)
        self._let_go()

    def _let_go(self) -> None:
        if self.closed and not self._readers and not self._taps and not self._discarded:
            self.discard()


class TopicRings:
    """Makes topics that outlive the Hub, and finds those of an earlier one.

    Args:
        fdstore: what holds their memory.
    """

    def __init__(self, fdstore: FdStore) -> None:
        self._fdstore = fdstore

    def make(self, name: str, content_type: str) -> LocalTopic:
        """A new topic.

        Raises:
            ApiError: there are too few descriptors, or too little memory.
        """
        _require_descriptors()
        try:
            return self._topic(name, content_type)
        except OSError as error:
            raise ApiError(503, f"The Hub can't keep another topic: {error.strerror}") from error

    def _topic(self, name: str, content_type: str, descriptor: int | None = None) -> LocalTopic:
        channel = _TopicChannel(self._fdstore, f"{PREFIX}{content_type}:{name}", descriptor)
        number = channel.number

        def make_store(group: str) -> GroupItems:
            _require_descriptors()
            return GroupItems(self._fdstore, f"{GROUPS}{number}:{group}")

        return LocalTopic(name, content_type, channel, number, make_store)

    def restore(self, survivors: Iterable[Survivor]) -> Iterator[LocalTopic]:
        """The topics of an earlier Hub, with their groups."""
        seen: set[str] = set()
        found = [*survivors]
        groups = [each for each in found if each.name.startswith(GROUPS)]
        for topic in self._restore_topics([each for each in found if each not in groups], seen):
            for survivor in groups:
                number, _, group = survivor.name.removeprefix(GROUPS).partition(":")
                if int(number) == topic.number and survivor.name not in seen:
                    seen.add(survivor.name)
                    store = GroupItems(self._fdstore, survivor.name, survivor.descriptors["group"])
                    topic.restore_group(group, store)
            yield topic
        for survivor in groups:  # whose topic was deleted
            if survivor.name not in seen:
                self._fdstore.release(survivor.name)
                for descriptor in survivor.descriptors.values():
                    os.close(descriptor)

    def _restore_topics(self, survivors: Iterable[Survivor], seen: set[str]) -> Iterator[LocalTopic]:
        for survivor in survivors:
            descriptor = survivor.descriptors.get("topic")
            if descriptor is None:
                log.warning("Topic %s of an earlier Hub is lost: too many descriptors had to be held", survivor.name)
                self._fdstore.release(survivor.name)
            elif survivor.name in seen:  # two stores have had it
                os.close(descriptor)
            else:
                seen.add(survivor.name)
                content_type, _, name = survivor.name.removeprefix(PREFIX).partition(":")
                yield self._topic(name, content_type, descriptor)
