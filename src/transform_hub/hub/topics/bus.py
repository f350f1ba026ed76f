"""Topics: named streams between Instances and the outside, with any number of writers and readers at once.

    POST /topic/:name    ─┐                       ┌─> GET /topic/:name
    POST /topic/:name    ─┼─> lines ─> Channel ───┼─> GET /topic/:name
    Instance (provides)  ─┘                       └─> Instance (requires)

What they promise:

    items      Where a topic carries text or ndjson an item is a line. A line is handed on whole, once its newline has
               come or its writer has come to its end (it gets its newline then). Lines of different writers never
               mix, up to LINE_LIMIT. A binary topic has no items: chunks of writers alternate, cut anywhere.
    order      Each writer's items keep their order; writers take turns as they come. Nothing is doubled.
    readers    All readers that are there get everything, paced by the slowest. A reader that comes later starts with
               what no other has had yet, so what was written before the first one waits for it.
    a reader   ... that leaves holds nobody any more. What it took is gone, what it had not taken goes to the others, or
               waits for the next if it was the last. One that stays but takes nothing holds up the topic; the Hub's log
               says so after STALL seconds.
    nobody     ... reads: LIMIT bytes (of hub.channel) are kept, then writers wait.
    a writer   ... that ends leaves the topic as it is: topics have no end. One that breaks off in the middle of a line
               (its client goes away, its Instance is killed) takes the piece with it; whole lines before it stay.
    deleting   Readers get what is left and then the end of the stream (an Instance: the end of its input). Writers
               get an error with their next item. A topic of the same name made later is another topic.

A topic is made by the first who writes or reads it, or beforehand by ``POST /topics``: no difference. Its content
type is fixed from then on. An Instance that provides the topic it requires gets its own items back.

The Hub uses topics through :class:`TopicBus` only. A bus over several Hubs would be another class with these few
methods, which keeps a :class:`Topic` for this Hub's ends and carries items to and from other Hubs as one more
writer and reader of it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from transform_hub.hub.channels.channel import Channel, ChannelReader
from transform_hub.hub.errors import ApiError

if TYPE_CHECKING:
    from transform_hub.hub.reattach.topic_rings import Provided

log = logging.getLogger(__name__)

BINARY = "application/octet-stream"
CONTENT_TYPES = ("text/x-ndjson", "application/x-ndjson", "text/plain", BINARY)
_NAME = re.compile(r"[\\a-zA-Z0-9_+-]+")

LINE_LIMIT = 16 * 1024 * 1024
"""Bytes of a line that are kept until it is complete; a longer one is handed on in pieces."""

STALL = 10.0
"""Seconds that a writer waits before the log tells of it."""


class TopicBus(Protocol):
    """All topics, by name."""

    def __iter__(self) -> Iterator[Topic]:
        """The topics there are."""

    def find(self, name: str) -> Topic | None:
        """The topic of that name; None if there is none."""

    def get(self, name: str, content_type: str) -> Topic:
        """The topic of that name, made if there is none.

        Raises:
            ApiError: the name or type is not possible, or the topic has another type.
        """

    def remove(self, name: str) -> None:
        """Delete a topic.

        Raises:
            ApiError: there is none.
        """

    def close(self) -> None:
        """End all topics."""


class Topic:
    """A named stream.

    Attributes:
        name, content_type: what it is called and what it carries.
    """

    def __init__(self, name: str, content_type: str, channel: Channel | None = None) -> None:
        self.name = name
        self.content_type = content_type
        self._channel = channel or Channel()
        self._writers: set[TopicWriter] = set()
        self._stall: asyncio.TimerHandle | None = None

    @property
    def channel(self) -> Channel:
        """What it holds."""
        return self._channel

    def writer(self, provided: Provided | None = None) -> TopicWriter:
        """A new source of this topic.

        Args:
            provided: where it is written down how far the source is.
        """
        writer = TopicWriter(self, provided)
        self._writers.add(writer)
        return writer

    def leave(self, writer: TopicWriter) -> None:
        """A source is gone; for writers."""
        self._writers.discard(writer)

    def figures(self) -> dict[str, int]:
        """What it holds in bytes, who reads, who writes, who of them waits, and the bytes written so far."""
        channel = self._channel
        return {
            "held": channel.size,
            "readers": channel.readers,
            "writers": len(self._writers),
            "waiting": channel.held_back,
            "written": channel.written,
        }

    def reader(self) -> ChannelReader:
        """A new reader of all that no other has had yet."""
        return self._channel.reader()

    def close(self) -> None:
        """End it: readers get what is left."""
        self._channel.close()

    async def add(self, chunk: bytes, intend: Callable[[int], None] | None = None) -> None:
        """Add whole lines (binary: anything) as soon as there is room; for writers.

        Args:
            chunk: of them.
            intend: called with where the topic will end, right before it does.

        Raises:
            ChannelClosedError: the topic was deleted.
        """
        if self._channel.is_full and self._stall is None:
            self._stall = asyncio.get_running_loop().call_later(STALL, self._note_stall)
            try:
                await self._channel.until_room()
            finally:
                self._stall.cancel()
                self._stall = None
        else:
            await self._channel.until_room()
        if intend is not None and not self._channel.closed:
            intend(self._channel.written + len(chunk))
        self._channel.feed(chunk)

    def _note_stall(self) -> None:
        readers = self._channel.readers
        why = f"the slowest of its readers ({readers}) takes nothing" if readers else "nobody reads it"
        log.warning("Topic %s has been full for %.0f s, %s: its writers wait", self.name, STALL, why)


class TopicWriter:
    """One source of a topic; one that is not closed has broken off."""

    def __init__(self, topic: Topic, provided: Provided | None = None) -> None:
        self._topic = topic
        self._provided = provided
        self._position = provided.position(topic.channel.written) if provided else 0
        self._has_lines = topic.content_type != BINARY
        self._begun: list[bytes] = []
        self._size = 0

    @property
    def incomplete(self) -> int:
        """Bytes of a line whose newline has not come yet."""
        return self._size

    async def write(self, data: bytes) -> None:
        """Add bytes as soon as there is room.

        Raises:
            ChannelClosedError: the topic was deleted.
        """
        if not self._has_lines:
            await self._add(data)
            return
        start, end = 0, data.rfind(b"\n") + 1
        if end and self._begun:
            start = data.find(b"\n") + 1
            self._keep(data[:start])
            await self._hand_on()
        if start < end:
            await self._add(data[start:end])
        if end < len(data):
            self._keep(data[end:])
            if self._size >= LINE_LIMIT:
                await self._hand_on()

    async def close(self) -> None:
        """The source has come to its end; the topic goes on.

        Raises:
            ChannelClosedError: the topic was deleted.
        """
        if self._begun:
            self._keep(b"\n")
            await self._hand_on()

    def leave(self) -> None:
        """The source is gone, whether it has come to its end or not."""
        self._topic.leave(self)

    def _keep(self, piece: bytes) -> None:
        self._begun.append(piece)
        self._size += len(piece)

    async def _hand_on(self) -> None:
        line = b"".join(self._begun)
        self._begun, self._size = [], 0
        await self._add(line)

    def skip(self, size: int) -> None:
        """Leave out bytes of the source."""
        self._position += size

    async def _add(self, chunk: bytes) -> None:
        self._position += len(chunk)
        await self._topic.add(chunk, self._intend if self._provided else None)

    def _intend(self, end: int) -> None:
        assert self._provided is not None
        self._provided.intend(end, self._position)


class Topics:
    """The topics of one Hub.

    Args:
        make_channel: of a topic, by its name and content type; by default one in the Hub's memory.
    """

    def __init__(self, make_channel: Callable[[str, str], Channel] | None = None) -> None:
        self._make_channel = make_channel
        self._topics: dict[str, Topic] = {}

    def adopt(self, name: str, content_type: str, channel: Channel) -> Topic:
        """A topic with what there is of it."""
        topic = self._topics[name] = Topic(name, content_type, channel)
        return topic

    def __iter__(self) -> Iterator[Topic]:
        return iter(list(self._topics.values()))

    def find(self, name: str) -> Topic | None:
        return self._topics.get(name)

    def get(self, name: str, content_type: str) -> Topic:
        _check_name(name)
        if content_type not in CONTENT_TYPES:
            raise ApiError(400, "Unsupported content-type")
        topic = self._topics.get(name)
        if topic is None:
            channel = self._make_channel(name, content_type) if self._make_channel else Channel()
            topic = self.adopt(name, content_type, channel)
        if topic.content_type != content_type:
            message = f"Topic {name} carries {topic.content_type}, not {content_type}"
            raise ApiError(415, message, reason="Unsupported content-type")
        return topic

    def remove(self, name: str) -> None:
        _check_name(name)
        topic = self._topics.pop(name, None)
        if topic is None:
            raise ApiError(404, f"Topic {name} not found")
        topic.close()

    def close(self) -> None:
        for topic in self._topics.values():
            topic.close()


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ApiError(400, "Topic id incorrect format", reason="Topic id incorrect format")
