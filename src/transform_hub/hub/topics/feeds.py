"""Connects Instances with topics: the output of those that provide one, the input of those that require one.

Both go on where another run, or an earlier Hub, has stopped, as far as what comes there is still kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from transform_hub.hub.channels.channel import ChannelClosedError
from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.messages import TopicDeclaration
from transform_hub.hub.link.runner_input import Sink
from transform_hub.hub.topics.bus import Topic, TopicBus, TopicReader, TopicWriter
from transform_hub.models.rules import BINARY, media_type

log = logging.getLogger(__name__)


class Feeds:
    """Carries streams between Instances and topics.

    Args:
        topics: where topics are found and made.
    """

    def __init__(self, topics: TopicBus) -> None:
        self._topics = topics
        self._tasks: set[asyncio.Task[None]] = set()

    def connect(
        self, instance: Instance, kind: Literal["provides", "requires"], declared: TopicDeclaration
    ) -> FromInstance | ToInstance:
        """Connect an Instance with the topic that it provides or requires."""
        feed = FromInstance(instance) if kind == "provides" else ToInstance(instance)
        feed.task = asyncio.ensure_future(self._carry(instance, feed.carry, declared))
        self._tasks.add(feed.task)
        feed.task.add_done_callback(self._tasks.discard)
        return feed

    async def _carry(
        self, instance: Instance, carry: Callable[[Topic], Awaitable[None]], declared: TopicDeclaration
    ) -> None:
        try:
            topic = await self._topics.topic(declared.topic, media_type(declared.content_type))
        except ApiError as error:
            instance.streams.note("ERROR", f"The topic {declared.topic!r} can't be connected: {error.error}")
            return
        await carry(topic)

    def close(self) -> None:
        """Carry nothing any more."""
        for task in self._tasks:
            task.cancel()


class FromInstance:
    """Carries the output of an Instance to a topic; readers of the output get it as well.

    If the topic is deleted the output waits for readers.
    """

    task: asyncio.Task[None]

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._provided = instance.streams.provided
        begin = max(instance.streams.output_begin, self._provided.carried)
        self._output = instance.streams["output"].reader(begin, shares=True)
        self._in_line = False

    async def settle(self) -> None:
        """The run has ended: carry what there is, then no more."""
        self._output.finish()
        await asyncio.wait({self.task})

    def end(self) -> None:
        """The Instance has ended: all it has left is carried."""

    async def carry(self, topic: Topic) -> None:
        """Carry all there is, to the end of the run."""
        instance = self._instance
        self._find_position(topic)
        try:
            with self._output as output:
                async with topic.writer(self._provided) as writer:
                    async for data in output:
                        await writer.write(self._whole(data, writer))
                    if not output.finished:
                        await instance.ended.wait()  # only then is it known whether the last line is whole
                    if not instance.was_cut_off:
                        await writer.end()
                    elif writer.incomplete:
                        log.warning(
                            "Instance %s left a line for topic %s unfinished: it is dropped", instance.id, topic.name
                        )
        except ChannelClosedError:
            instance.streams.note(
                "WARN", f"Topic {topic.name} was deleted; the Instance's output waits for readers of its own"
            )
        self._provided.forget()

    def _find_position(self, topic: Topic) -> None:
        """Go on behind what is in the topic already."""
        if self._provided.topic == topic.number:
            wanted = self._provided.position(topic.written)
            self._output.seek(wanted)
            if self._output.position == wanted:
                return
            self._in_line = topic.content_type != BINARY
            gap = f"{self._output.position - wanted} bytes of its output did not outlive the Hub"
            self._instance.streams.note("WARN", f"{gap}: a line for topic {topic.name} that long is dropped")
        elif self._provided.topic:
            _note_lost(self._instance, topic)
        self._provided.begin(topic.number, self._output.position)

    def _whole(self, data: bytes, writer: TopicWriter) -> bytes:
        """Drop the tail of a line whose start was lost."""
        if self._in_line:
            rest, newline, data = data.partition(b"\n")
            writer.skip(len(rest) + len(newline))
            self._in_line = not newline
        return data


class ToInstance:
    """Carries a topic to the input of an Instance; its deletion is the end of the input."""

    task: asyncio.Task[None]

    def __init__(self, instance: Instance) -> None:
        assert instance.streams.input is not None
        self._instance = instance
        self._required = instance.streams.required
        self._sink: Sink = instance.streams.input

    async def settle(self) -> None:
        """The run has ended: its input takes nothing more."""
        self.task.cancel()
        await asyncio.wait({self.task})

    def end(self) -> None:
        """The Instance has ended: its input takes nothing more."""
        self.task.cancel()

    async def carry(self, topic: Topic) -> None:
        """Carry what comes until the Instance takes no more, or the topic is deleted."""
        instance = self._instance
        wanted = self._required.position(self._sink.position) if self._required.topic == topic.number else None
        async with topic.reader(wanted) as reader:
            self._note_position(topic, reader, wanted)
            instance.announce_input(topic.content_type)
            writer = self._sink.writer()
            try:
                async for data in reader:
                    await writer.write(data)
                writer.end()
            except ChannelClosedError:
                log.debug("Instance %s took no more of topic %s", instance.id, topic.name)

    def _note_position(self, topic: Topic, reader: TopicReader, wanted: int | None) -> None:
        if reader.position == wanted:
            return
        if wanted is not None:
            gap = f"{abs(reader.position - wanted)} bytes of topic {topic.name} for this Instance"
            self._instance.streams.note("WARN", f"{gap} did not outlive the Hub")
        elif self._required.topic:
            _note_lost(self._instance, topic)
        self._required.begin(topic.number, reader.position, self._sink.position)


def _note_lost(instance: Instance, topic: Topic) -> None:
    instance.streams.note("WARN", f"Topic {topic.name} is a new one: what it held with the earlier Hub is gone")
