"""Topics in memory that outlives the Hub, and the places in it of the Instances that write and read them.

A topic is a ring of :mod:`transform_hub.hub.reattach.ring` in a memfd of its own, which the keeper holds. A line is put
into the ring and then counted, which is one write of a word: a Hub that is killed has added it or not.

An Instance that provides a topic goes on behind the last line that the topic has, one that requires it behind the last
byte that the Instance got. Where that is stands beside its streams (see :class:`Provided` and :class:`Required`).
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import secrets
from collections.abc import Iterator

from transform_hub.hub.channels.channel import ChannelClosedError, ChannelReader
from transform_hub.hub.reattach.ring import CAPACITY, CHUNK, Ring, SpooledChannel
from transform_hub.hub.runtimes.runtime import Runtime, Survivor

log = logging.getLogger(__name__)

PREFIX = "topic:"
"""Begins the names under which topics are kept; no Instance's id has a colon."""

_MASK = (1 << 64) - 1
_TOPIC, _FROM, _END, _TO = range(4)
_BEHIND = 1


class Provided:
    """How far the output of an Instance is in a topic.

        from, to    positions of the output: up to here it is in the topic, if that ends before or at ``end``
        end         where the topic ends with what came last

    They are written before that is counted as part of the topic, in an order that is right after each step.

    Args:
        words: shared memory for them.
    """

    def __init__(self, words: memoryview) -> None:
        self._words = words

    @property
    def topic(self) -> int:
        """The number of the topic it is connected with; 0 if with none."""
        return self._words[_TOPIC]

    def begin(self, topic: int, position: int) -> None:
        """The output goes to a topic from a position on."""
        self._words[_FROM] = self._words[_TO] = position
        self._words[_END] = 0
        self._words[_TOPIC] = topic

    def position(self, end: int) -> int:
        """Up to where it is in the topic, which ends there."""
        return self._words[_TO] if end >= self._words[_END] else self._words[_FROM]

    def settle(self, end: int) -> None:
        """Let it be where it is, however far others write the topic from now on; it ends there as yet."""
        self.begin(self.topic, self.position(end))

    def intend(self, end: int, position: int) -> None:
        """The output is in the topic up to a position as soon as the topic ends there."""
        with contextlib.suppress(ValueError):  # the Instance is gone, and its memory given back
            self._words[_FROM] = self._words[_TO]
            self._words[_END] = end
            self._words[_TO] = position

    def forget(self) -> None:
        """It is connected with none."""
        with contextlib.suppress(ValueError):  # the same
            self._words[_TOPIC] = 0


class Required:
    """Which byte of a topic an Instance gets next: the position of its input, and how far the topic is ahead of it.

    Args:
        words: shared memory for that.
    """

    def __init__(self, words: memoryview) -> None:
        self._words = words

    @property
    def topic(self) -> int:
        """The number of the topic it is connected with; 0 if with none."""
        return self._words[_TOPIC]

    def begin(self, topic: int, position: int, sent: int) -> None:
        """The input comes from a position of the topic on, when so much of it has been sent."""
        self._words[_BEHIND] = (position - sent) & _MASK
        self._words[_TOPIC] = topic

    def position(self, sent: int) -> int:
        """Where in the topic it is."""
        return (self._words[_BEHIND] + sent) & _MASK


class TopicChannel(SpooledChannel):
    """The channel of a topic that outlives the Hub.

    Args:
        keeper: what keeps it, under a name.
        descriptor: of the memory that an earlier Hub has made.
    """

    def __init__(self, keeper: TopicKeeper, name: str, descriptor: int | None = None) -> None:
        self._keeper, self._name = keeper, name
        self._descriptor, self._mapped, ring = _memory(CAPACITY, descriptor)
        if descriptor is None:
            ring.number = secrets.randbits(63) | 1
        super().__init__(ring)
        keeper.hold(name, self._descriptor)

    @property
    def number(self) -> int:
        """Tells this topic from others that had or will have its name."""
        return self.ring.number

    def feed(self, chunk: bytes) -> bool:
        if self.closed:
            raise ChannelClosedError
        needed = max(CAPACITY, self.size + len(chunk) + CHUNK)
        if needed > self.ring.capacity or (needed == CAPACITY < self.ring.capacity):
            self._move(needed)
        self.ring.put(chunk)
        return self.fed(len(chunk))

    def _move(self, capacity: int) -> None:
        """Take memory for longer, or no longer for such long, items; what is kept goes along."""
        old_descriptor, old_mapped, old = self._descriptor, self._mapped, self.ring
        self._descriptor, self._mapped, self.ring = _memory(capacity)
        self.ring.follow(old)
        self._keeper.hold(self._name, self._descriptor)
        old.close()
        old_mapped.close()
        os.close(old_descriptor)

    def close(self) -> None:
        super().close()
        self._keeper.release(self._name)
        self._let_go()

    def leave(self, reader: ChannelReader) -> None:
        super().leave(reader)
        self._let_go()

    def _let_go(self) -> None:
        if self.closed and not self._readers and self._descriptor >= 0:
            self.ring.close()
            self._mapped.close()
            os.close(self._descriptor)
            self._descriptor = -1


def _memory(capacity: int, descriptor: int | None = None) -> tuple[int, mmap.mmap, Ring]:
    """Memory for a ring: new, or that of an earlier Hub."""
    if descriptor is None:
        descriptor = os.memfd_create("topic")
        os.ftruncate(descriptor, mmap.PAGESIZE + capacity)
    mapped = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
    with memoryview(mapped) as memory:
        return descriptor, mapped, Ring(memory[:])


class TopicKeeper:
    """Lets topics outlive the Hub.

    Args:
        runtime: whose keeper has them.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def make(self, name: str, content_type: str) -> TopicChannel:
        """The channel of a new topic."""
        return TopicChannel(self, f"{PREFIX}{content_type}:{name}")

    def hold(self, name: str, descriptor: int) -> None:
        """Keep the memory of a topic; for channels."""
        self._runtime.keep(name, descriptor)

    def release(self, name: str) -> None:
        """Keep it no longer; for channels."""
        self._runtime.unkeep(name)

    def restore(self, survivors: list[Survivor]) -> Iterator[tuple[str, str, TopicChannel]]:
        """The topics of an earlier Hub: name, content type and channel."""
        seen: set[str] = set()
        for survivor in survivors:
            descriptor = survivor.channels.get("topic")
            if descriptor is None:
                log.warning("Topic %s of an earlier Hub is lost: it was more than could be kept", survivor.id)
            elif survivor.id in seen:  # two keepers have had it
                os.close(descriptor)
            else:
                seen.add(survivor.id)
                content_type, _, name = survivor.id.removeprefix(PREFIX).partition(":")
                yield name, content_type, TopicChannel(self, survivor.id, descriptor)
            self._runtime.release(survivor.id)  # by the keeper that has had it; this Hub's own has it now
