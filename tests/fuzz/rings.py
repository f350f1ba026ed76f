"""Memory that an earlier Hub has left: whatever its counters say, it is read in bounded time, or not at all."""

import asyncio
import mmap
import os
from collections.abc import Iterator

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.reattach.group_items import GroupItems
from transform_hub.hub.reattach.ring import CAPACITY
from transform_hub.hub.reattach.spool import Spool
from transform_hub.hub.reattach.topic_rings import TopicRing

WORDS = 13 * 8


class Store:
    """A descriptor store that nobody asks."""

    def hold(self, name: str, descriptors: dict[str, int]) -> None:
        pass

    def release(self, name: str) -> None:
        pass


async def read(channel: Channel) -> None:
    with channel.reader() as reader:
        total = 0
        while data := channel.take(reader):
            total += len(data)
            assert total <= channel.limit * 20
    channel.feed(b"more\n")
    channel.discard()


def fuzz(data: bytes) -> None:
    memory = os.memfd_create("topic")
    os.pwrite(memory, data[:WORDS], 0)
    os.ftruncate(memory, mmap.PAGESIZE + CAPACITY)
    asyncio.run(read(Channel(TopicRing(Store(), "topic", memory))))
    spool = Spool()
    os.pwrite(spool.descriptors["streams"], data[:WORDS], 0)
    again = Spool(earlier={name: os.dup(each) for name, each in spool.descriptors.items()})
    asyncio.run(read(Channel(again["output"])))
    for each in (again, spool):
        each.close()
    group = os.memfd_create("group")
    os.pwrite(group, data, 0)
    items = GroupItems(Store(), "group:1:g", group)
    assert sum(len(each.data) for each in items.items()) <= len(data)
    items.close()


def seeds() -> Iterator[bytes]:
    yield b"".join(each.to_bytes(8, "little") for each in (0, 3_000_000, 2_900_000, 0, 7))
    yield b"".join(each.to_bytes(8, "little") for each in (1, 10)) + bytes(4096)
