"""Connects Instances with topics: the output of those that provide one, the input of those that require one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from transform_hub.hub.channel import ChannelClosedError, ChannelReader
from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances import Instance
from transform_hub.hub.messages import TopicDeclaration
from transform_hub.hub.topics import Topic, TopicBus

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
            output = instance.streams["output"].reader()
            way = self._open(_provide(instance, output, topic))

            async def settle() -> None:
                output.finish()
                await asyncio.wait({way})
        else:
            way = self._open(_require(instance, topic))
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


async def _provide(instance: Instance, output: ChannelReader, topic: Topic) -> None:
    """Carry the output to the topic; when that is deleted the output waits for readers as any other's does."""
    writer = topic.writer()
    try:
        with output:
            async for data in output:
                await writer.write(data)
        if not output.finished:
            await instance.ended.wait()  # only then it is known whether the last line is whole
        if not instance.was_cut_off:
            await writer.close()
        elif writer.incomplete:
            log.warning("Instance %s left a line for topic %s unfinished: it is dropped", instance.id, topic.name)
    except ChannelClosedError:
        instance.streams.note(
            "WARN", f"Topic {topic.name} was deleted; the Instance's output waits for readers of its own"
        )
    finally:
        writer.leave()


async def _require(instance: Instance, topic: Topic) -> None:
    """Carry the topic to the input; its deletion is the end of the input."""
    sink = instance.streams.input
    assert sink is not None
    instance.run.announce_input(topic.content_type)
    writer = sink.writer()
    try:
        with topic.reader() as reader:
            async for data in reader:
                await writer.write(data)
        writer.end()
    except ChannelClosedError:
        log.debug("Instance %s took no more of topic %s", instance.id, topic.name)
