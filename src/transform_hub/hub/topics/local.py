"""Topics of this Hub: each is a Channel, in memory or wherever its store is."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from types import TracebackType

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.channels.reader import ChannelReader
from transform_hub.hub.errors import ApiError
from transform_hub.hub.link.input_lines import LINE_LIMIT
from transform_hub.hub.topics.bus import Topic, TopicFigures, check_name, check_type
from transform_hub.hub.topics.groups import Group, ItemStore, Member, MemoryItems, check_group
from transform_hub.hub.topics.items import Starts, buffer_for, ends_of_messages
from transform_hub.hub.topics.progress import Provided
from transform_hub.models.rules import MESSAGES

log = logging.getLogger(__name__)

STALL = 10.0
"""Seconds that a writer waits before the log tells of it."""


class LocalTopic:
    """A topic with its channel.

    Args:
        name: of the topic.
        content_type: of the topic.
        channel: has its bytes; in memory by default.
        number: tells it from others of its name.
        make_store: makes what keeps the items of a group that are given out.
    """

    def __init__(
        self,
        name: str,
        content_type: str,
        channel: Channel | None = None,
        number: int | None = None,
        make_store: Callable[[str], ItemStore] = lambda _: MemoryItems(),
    ) -> None:
        self.name = name
        self.content_type = content_type
        self.number = number or secrets.randbits(63) | 1
        self.channel = channel or Channel()
        self._groups: dict[str, Group] = {}
        self._make_store = make_store
        self._starts: Starts | None = None
        if content_type == MESSAGES:
            self._starts = self._find_starts()
            self.channel.align = self._starts.before
        self._writers: set[LocalWriter] = set()
        self._stall: asyncio.TimerHandle | None = None

    @property
    def written(self) -> int:
        return self.channel.written

    def writer(self, provided: Provided | None = None) -> LocalWriter:
        writer = LocalWriter(self, provided)
        self._writers.add(writer)
        return writer

    def reader(self, at: int | None = None, *, tap: bool = False) -> ChannelReader:
        return self.channel.reader(at, tap=tap)

    def member(self, group: str) -> Member:
        check_group(group, self.name, self.content_type)
        if group not in self._groups:
            self.restore_group(group, self._make_store(group))
        return self._groups[group].member()

    def restore_group(self, name: str, store: ItemStore) -> Group:
        """Have a group, which a store may know from an earlier Hub."""
        group = self._groups[name] = Group(name, self.name, self.content_type, self.channel, store)
        return group

    def settle_groups(self) -> None:
        """Those who go on with what an earlier Hub has given them are there."""
        for group in self._groups.values():
            group.settle()

    def close(self) -> None:
        """End it: readers get what is left."""
        self.channel.close()
        for group in self._groups.values():
            group.close()

    def _find_starts(self) -> Starts:
        begin, end = self.channel.written - self.channel.size, self.channel.written
        starts = Starts(begin)
        starts.note(begin, ends_of_messages(self.channel.peek, begin, end), begin)
        return starts

    def figures(self) -> TopicFigures:
        channel = self.channel
        return TopicFigures(
            held=channel.size,
            readers=channel.readers,
            writers=len(self._writers),
            waiting=channel.held_back,
            written=channel.written,
            groups={name: len(group.members) for name, group in self._groups.items() if group.members},
        )

    def leave(self, writer: LocalWriter) -> None:
        """A writer is gone; for writers."""
        self._writers.discard(writer)

    async def add(self, chunk: bytes, intend: Callable[[int], None] | None = None, ends: Sequence[int] = ()) -> None:
        """Add whole items (binary: anything) as soon as there is room; for writers.

        Args:
            chunk: of them.
            intend: called with where the topic will end, right before it does.
            ends: where messages end in it.

        Raises:
            ChannelClosedError: the topic was deleted.
        """
        if self.channel.is_full and self._stall is None:
            self._stall = asyncio.get_running_loop().call_later(STALL, self._note_stall)
            try:
                await self.channel.until_room()
            finally:
                self._stall.cancel()
                self._stall = None
        else:
            await self.channel.until_room()
        if intend is not None and not self.channel.closed:
            intend(self.channel.written + len(chunk))
        if self._starts is not None and not self.channel.closed:
            self._starts.note(self.channel.written, ends, self.channel.oldest)
        self.channel.feed(chunk)

    def _note_stall(self) -> None:
        readers = self.channel.readers
        why = f"the slowest of its readers ({readers}) takes nothing" if readers else "nobody reads it"
        log.warning("Topic %s has been full for %.0f s, %s: its writers wait", self.name, STALL, why)


class LocalWriter:
    """One writer of a topic."""

    def __init__(self, topic: LocalTopic, provided: Provided | None = None) -> None:
        self._topic = topic
        self._provided = provided
        self._position = provided.position(topic.written) if provided else 0
        self._items = buffer_for(topic.content_type, limit=LINE_LIMIT)

    @property
    def incomplete(self) -> int:
        return self._items.size if self._items else 0

    @property
    def missing(self) -> int:
        return self._items.missing if self._items else 0

    async def write(self, data: bytes) -> None:
        if self._items is None:
            await self._add(data)
        elif items := self._items.block(data):
            await self._add(items)

    def skip(self, size: int) -> None:
        self._position += size

    async def end(self) -> None:
        if self._items is not None and (rest := self._items.finish()):
            await self._add(rest)

    async def _add(self, chunk: bytes) -> None:
        self._position += len(chunk)
        ends = self._items.ends if self._items else ()
        await self._topic.add(chunk, self._intend if self._provided else None, ends)

    def _intend(self, end: int) -> None:
        assert self._provided is not None
        self._provided.intend(end, self._position)

    async def __aenter__(self) -> LocalWriter:  # noqa: PYI034 - Self is in typing since 3.11
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._topic.leave(self)


class LocalTopics:
    """The topics of one Hub.

    Args:
        make: makes a topic of a name and content type; by default one in the Hub's memory.
    """

    def __init__(self, make: Callable[[str, str], LocalTopic] = LocalTopic) -> None:
        self._make = make
        self._topics: dict[str, LocalTopic] = {}

    def adopt(self, topic: LocalTopic) -> None:
        """Have a topic of an earlier Hub."""
        self._topics[topic.name] = topic

    def settle_groups(self) -> None:
        """Those who go on with what an earlier Hub has given them are there."""
        for topic in self._topics.values():
            topic.settle_groups()

    async def topics(self) -> list[Topic]:
        return [*self._topics.values()]

    async def find(self, name: str) -> LocalTopic | None:
        return self._topics.get(name)

    async def topic(self, name: str, content_type: str) -> LocalTopic:
        check_name(name)
        there = self._topics.get(name)
        check_type(name, content_type, there.content_type if there else None)
        if there is None:
            there = self._topics[name] = self._make(name, content_type)
        return there

    async def remove(self, name: str) -> None:
        check_name(name)
        topic = self._topics.pop(name, None)
        if topic is None:
            raise ApiError(404, f"Topic {name} not found")
        topic.close()

    async def close(self) -> None:
        for topic in self._topics.values():
            topic.close()
