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
from transform_hub.hub.link.runner_input import Sink, SinkWriter
from transform_hub.hub.topics.bus import Topic, TopicBus, TopicItem, TopicMember, TopicReader, TopicWriter
from transform_hub.messages import head
from transform_hub.models.rules import BINARY, MESSAGES, media_type
from transform_hub.protocol import EXIT_OK

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
        feed: FromInstance | ToInstance
        if kind == "provides":
            feed = FromInstance(instance)
        else:
            feed = ItemsToInstance(instance, declared.group) if declared.group else ToInstance(instance)
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
        try:
            await carry(topic)
        except ApiError as error:
            instance.streams.note("ERROR", f"The topic {declared.topic!r} can't be read: {error.error}")

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
        carried = self._provided.carried
        begin = carried if self._provided.topic else max(instance.streams.output_begin, carried)
        self._output = instance.streams["output"].reader(begin, shares=True)
        self._in_line = False
        self._lost = 0  # bytes of a message whose start was lost

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
                        if writer.missing:
                            self._provided.message_end = output.position + writer.missing
                    if not output.finished:
                        await instance.ended.wait()  # only then is it known whether the last line is whole
                    if not instance.was_cut_off:
                        await writer.end()
                    elif writer.incomplete:
                        log.warning("Instance %s left %s unfinished: it is dropped", instance.id, self._item_of(topic))
        except ChannelClosedError:
            instance.streams.note(
                "WARN", f"Topic {topic.name} was deleted; the Instance's output waits for readers of its own"
            )
        except ApiError as error:
            told = f"Topic {topic.name}: {error.error}; the Instance's output waits for readers of its own"
            instance.streams.note("ERROR", told)
        self._provided.forget()

    def _item_of(self, topic: Topic) -> str:
        return f"a {'message' if topic.content_type == MESSAGES else 'line'} for topic {topic.name}"

    def _find_position(self, topic: Topic) -> None:
        """Go on behind what is in the topic already."""
        if self._provided.topic == topic.number:
            wanted = self._provided.position(topic.written)
            self._output.seek(wanted)
            if self._output.position == wanted:
                return
            gap = f"{self._output.position - wanted} bytes of its output did not outlive the Hub"
            self._instance.streams.note("WARN", f"{gap}: {self._item_of(topic)} that long is dropped")
            if topic.content_type == MESSAGES:
                self._lost = max(self._provided.message_end - self._output.position, 0)
            else:
                self._in_line = topic.content_type != BINARY
        elif self._provided.topic:
            _note_lost(self._instance, topic)
        self._provided.begin(topic.number, self._output.position)

    def _whole(self, data: bytes, writer: TopicWriter) -> bytes:
        """Drop the tail of an item whose start was lost."""
        if self._lost:
            dropped = min(self._lost, len(data))
            writer.skip(dropped)
            self._lost -= dropped
            return data[dropped:]
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


class ItemsToInstance(ToInstance):
    """Carries items of a topic to an Instance that is a member of a reader group, each when it asks for the next.

        wants, all before is done ──> next() ──> the item, behind 4 bytes that say how long it is ──> wants ...

    An item is done when the Sequence asks for another, or comes to its end by itself with it. If the run ends otherwise
    it has failed on the item.
    """

    def __init__(self, instance: Instance, group: str) -> None:
        super().__init__(instance)
        self._run = instance.run
        self._group = group
        self._member: TopicMember | None = None

    def end(self) -> None:
        self._settle_item()  # while the log can still be told
        super().end()

    async def carry(self, topic: Topic) -> None:
        with topic.member(self._group) as member:
            self._member = member
            if self._required.topic == topic.number:
                rest = self._rest(topic, member)
            else:
                rest = b""
                if self._required.topic:
                    _note_lost(self._instance, topic)
                self._required.begin(topic.number, 0, 0)
            self._instance.announce_input(topic.content_type)
            writer = self._sink.writer()
            try:
                if rest:
                    await writer.write(rest)
                await self._carry_items(topic, member, writer)
                writer.end()
            except ChannelClosedError:
                await self._over()
            finally:
                self._settle_item()

    async def _carry_items(self, topic: Topic, member: TopicMember, writer: SinkWriter) -> None:
        while True:
            while self._run.wanted != self._sink.position:
                self._require_sink()
                await self._instance.life.change()
            member.done()
            item = await member.next()
            if item is None:
                return
            self._required.begin_item(topic.number, item.start, self._sink.position)
            await writer.write(_framed(topic, item))

    def _require_sink(self) -> None:
        if self._sink.ended or self._sink.lost:
            raise ChannelClosedError

    def _rest(self, topic: Topic, member: TopicMember) -> bytes:
        """What the Instance lacks of the item that an earlier Hub has given it."""
        start = self._required.item
        item = None if start is None else member.resume(start)
        if item is None:
            return b""
        return _framed(topic, item)[self._required.position(self._sink.position) - item.start :]

    async def _over(self) -> None:
        """Wait until it is known how the run ends."""
        while not self._run.is_over:
            await self._instance.life.change()

    def _settle_item(self) -> None:
        """Once the run is over: its item is done, or it has failed on it."""
        member, last_word = self._member, self._run.last_word
        if member is None or not self._run.is_over:
            return
        if last_word is not None and last_word.code == EXIT_OK and not last_word.left:
            member.done()
        else:
            was_asked_to = self._instance.status == "completed"  # stopped or killed, for which no item is to blame
            member.fail(lambda told: self._instance.streams.note("WARN", told), counts=not was_asked_to)


def _framed(topic: Topic, item: TopicItem) -> bytes:
    """An item as it goes over the link."""
    return item.data if topic.content_type == MESSAGES else head(len(item.data)) + item.data


def _note_lost(instance: Instance, topic: Topic) -> None:
    instance.streams.note("WARN", f"Topic {topic.name} is a new one: what it held with the earlier Hub is gone")
