"""Topics: named streams between Instances and the outside, each a Channel with many writers and readers."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from transform_hub.hub.channel import Channel, ChannelClosedError
from transform_hub.hub.errors import ApiError

if TYPE_CHECKING:
    from transform_hub.hub.instances import Instance

log = logging.getLogger(__name__)

CONTENT_TYPES = ("text/x-ndjson", "application/x-ndjson", "text/plain", "application/octet-stream")
_NAME = re.compile(r"^[\\a-zA-Z0-9_+-]+$")


class Topic:
    """A named stream.

    Attributes:
        name, content_type: what it is called and what it carries.
        channel: what was written and not yet read by all.
    """

    def __init__(self, name: str, content_type: str) -> None:
        self.name = name
        self.content_type = content_type
        self.channel = Channel()

    def writer(self) -> TopicWriter:
        """A new source of this topic."""
        return TopicWriter(self)


class TopicWriter:
    """One source of a topic.

    Several sources write at once. Where items are lines, whole lines are handed on, so that those of different
    writers never mix; the last line of a source gets its newline.
    """

    def __init__(self, topic: Topic) -> None:
        self._channel = topic.channel
        self._lines = topic.content_type != "application/octet-stream"
        self._rest = b""

    async def write(self, data: bytes) -> None:
        """Add bytes as soon as there is room.

        Raises:
            ChannelClosedError: the topic was deleted.
        """
        if not self._lines:
            await self._channel.write(data)
            return
        head, newline, tail = data.rpartition(b"\n")
        if newline:
            await self._channel.write(self._rest + head + newline if self._rest else data[: len(data) - len(tail)])
            self._rest = tail
        else:
            self._rest += data
            if len(self._rest) >= self._channel.limit:  # a line too long to be kept together
                await self._channel.write(self._rest)
                self._rest = b""

    async def close(self) -> None:
        """The source has ended; the topic goes on."""
        if self._rest:
            await self._channel.write(self._rest + b"\n")
            self._rest = b""


class Topics:
    """All topics of a Hub, by name; made when they are first written or read."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self._routes: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Topic]:
        return iter(list(self._topics.values()))

    def find(self, name: str) -> Topic | None:
        """The topic of that name; None if there is none."""
        return self._topics.get(name)

    def get(self, name: str, content_type: str) -> Topic:
        """The topic of that name, made if there is none.

        Raises:
            ApiError: the name or type is not possible, or the topic has another type.
        """
        if not _NAME.match(name):
            raise ApiError(400, "Topic id incorrect format", reason="Topic id incorrect format")
        if content_type not in CONTENT_TYPES:
            raise ApiError(400, "Unsupported content-type")
        topic = self._topics.setdefault(name, Topic(name, content_type))
        if topic.content_type != content_type:
            message = f"Topic {name} carries {topic.content_type}, not {content_type}"
            raise ApiError(415, message, reason="Unsupported content-type")
        return topic

    def remove(self, name: str) -> None:
        """Delete a topic; its readers get what is left, then the end.

        Raises:
            ApiError: there is none.
        """
        topic = self._topics.pop(name, None)
        if topic is None:
            raise ApiError(404, f"Topic {name} not found")
        topic.channel.close()

    def close(self) -> None:
        """End all topics."""
        for route in self._routes:
            route.cancel()
        for topic in self._topics.values():
            topic.channel.close()

    def route(self, instance: Instance, kind: str, declared: dict[str, str]) -> None:
        """Connect an Instance with the topic it ``provides`` or ``requires``."""
        try:
            topic = self.get(declared["topic"], declared["contentType"])
        except ApiError as error:
            instance.streams.note("ERROR", f"The topic {declared['topic']!r} can't be connected: {error.error}")
            return
        pump = _provide(instance, topic) if kind == "provides" else _require(instance, topic)
        route = asyncio.ensure_future(pump)
        self._routes.add(route)
        route.add_done_callback(self._routes.discard)
        if kind == "requires":
            instance.at_end.append(route.cancel)


async def _provide(instance: Instance, topic: Topic) -> None:
    writer = topic.writer()
    try:
        with instance.streams["output"].reader() as reader:
            async for data in reader:
                await writer.write(data)
        await writer.close()
    except ChannelClosedError:
        instance.streams.note(
            "WARN", f"Topic {topic.name} was deleted; what the Instance writes to it is not carried on"
        )


async def _require(instance: Instance, topic: Topic) -> None:
    sink = instance.streams.input
    assert sink is not None
    instance.announce_input(topic.content_type)
    try:
        with topic.channel.reader() as reader:
            async for data in reader:
                await sink.write(data)
        sink.end()
    except ChannelClosedError:
        log.debug("Instance %s ended while it was reading topic %s", instance.id, topic.name)
