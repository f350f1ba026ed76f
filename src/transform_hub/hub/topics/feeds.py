"""Connects Instances with topics: the output of those that provide one, the input of those that require one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from transform_hub.hub.channels.channel import ChannelClosedError, ChannelReader
from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.messages import TopicDeclaration
from transform_hub.hub.reattach.ring import SpooledChannel
from transform_hub.hub.reattach.topic_rings import TopicChannel
from transform_hub.hub.topics.bus import BINARY, Topic, TopicBus

log = logging.getLogger(__name__)


class Routing:
    """The ways between Instances and topics; each is a task that carries one stream.

    Args:
        topics: where topics are found and made.
    """

    def __init__(self, topics: TopicBus) -> None:
        self._topics = topics
        self._ways: set[asyncio.Task[None]] = set()

    def connect(self, instance: Instance, kind: str, declared: TopicDeclaration) -> None:
        """Connect an Instance with the topic it ``provides`` or ``requires``."""
        try:
            topic = self._topics.get(declared.topic, declared.content_type)
        except ApiError as error:
            instance.streams.note("ERROR", f"The topic {declared.topic!r} can't be connected: {error.error}")
            return
        if kind == "provides":
            way_in = _WayIn(instance, topic)
            output = way_in.output
            way = self._open(way_in.carry())

            async def settle() -> None:
                output.finish()
                await asyncio.wait({way})
        else:
            way = self._open(_require(instance, topic, _reader(instance, topic)))
            instance.at_end.append(way.cancel)

            async def settle() -> None:
                instance.at_end.remove(way.cancel)
                way.cancel()
                await asyncio.wait({way})

        instance.between_runs.append(settle)

    def _open(self, carrying: Coroutine[None, None, None]) -> asyncio.Task[None]:
        way = asyncio.ensure_future(carrying)
        self._ways.add(way)
        way.add_done_callback(self._ways.discard)
        return way

    def close(self) -> None:
        """Carry nothing any more."""
        for way in self._ways:
            way.cancel()


class _WayIn:
    """Carries the output of an Instance to a topic; when that is deleted it waits for readers as any other output does.

    Where both outlive the Hub it goes on behind what an earlier Hub has carried.
    """

    def __init__(self, instance: Instance, topic: Topic) -> None:
        self._instance, self._topic = instance, topic
        self._provided = instance.streams.provided if isinstance(topic.channel, TopicChannel) else None
        self._in_line = False
        self.output = self._open()
        self._writer = topic.writer(self._provided)

    def _open(self) -> ChannelReader:
        channel, output = self._topic.channel, self._instance.streams["output"]
        if self._provided is None or not isinstance(channel, TopicChannel) or not isinstance(output, SpooledChannel):
            return output.reader()
        if self._provided.topic != channel.number:
            if self._provided.topic:
                _tell_lost(self._instance, self._topic)
            reader = output.reader()
        else:
            wanted = self._provided.position(channel.written)
            reader = output.reader(wanted)
            if reader.position == wanted:
                return reader
            self._in_line = self._topic.content_type != BINARY
            gap = f"{reader.position - wanted} bytes of its output did not outlive the Hub"
            self._instance.streams.note("WARN", f"{gap}: a line for topic {self._topic.name} that long is dropped")
        self._provided.begin(channel.number, reader.position)
        return reader

    async def carry(self) -> None:
        """Carry all there is, to the end of the run."""
        instance, writer = self._instance, self._writer
        try:
            with self.output as output:
                async for data in output:
                    await writer.write(self._whole(data))
            if not output.finished:
                await instance.ended.wait()  # only then it is known whether the last line is whole
            if not instance.was_cut_off:
                await writer.close()
            elif writer.incomplete:
                name = self._topic.name
                log.warning("Instance %s left a line for topic %s unfinished: it is dropped", instance.id, name)
            self._forget()
        except ChannelClosedError:
            instance.streams.note(
                "WARN", f"Topic {self._topic.name} was deleted; the Instance's output waits for readers of its own"
            )
            self._forget()
        finally:
            writer.leave()

    def _whole(self, data: bytes) -> bytes:
        """What is no rest of a line whose begin is lost."""
        if self._in_line:
            rest, newline, data = data.partition(b"\n")
            self._writer.skip(len(rest) + len(newline))
            self._in_line = not newline
        return data

    def _forget(self) -> None:
        if self._provided is not None:
            self._provided.forget()


def _reader(instance: Instance, topic: Topic) -> ChannelReader:
    """What an Instance gets of a topic: from where it was with an earlier Hub, else what no other has had."""
    required, channel, sink = instance.streams.required, topic.channel, instance.streams.input
    assert sink is not None
    if required is None or not isinstance(channel, TopicChannel):
        return topic.reader()
    if required.topic == channel.number:
        wanted = required.position(sink.position)
        reader = channel.reader(wanted)
        if reader.position == wanted:
            return reader
        gap = abs(reader.position - wanted)
        instance.streams.note("WARN", f"{gap} bytes of topic {topic.name} for this Instance did not outlive the Hub")
    else:
        if required.topic:
            _tell_lost(instance, topic)
        reader = topic.reader()
    required.begin(channel.number, reader.position, sink.position)
    return reader


def _tell_lost(instance: Instance, topic: Topic) -> None:
    instance.streams.note("WARN", f"Topic {topic.name} is a new one: what it held with the earlier Hub is gone")


async def _require(instance: Instance, topic: Topic, reader: ChannelReader) -> None:
    """Carry the topic to the input; its deletion is the end of the input."""
    sink = instance.streams.input
    assert sink is not None
    instance.run.announce_input(topic.content_type)
    writer = sink.writer()
    try:
        with reader:
            async for data in reader:
                await writer.write(data)
        writer.end()
    except ChannelClosedError:
        log.debug("Instance %s took no more of topic %s", instance.id, topic.name)
