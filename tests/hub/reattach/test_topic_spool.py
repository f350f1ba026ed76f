"""What an Instance has put into a topic is known at whatever step a Hub dies; items may be longer than the memory."""

import asyncio
import itertools
import mmap
import os
import struct

import pytest

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.reattach.ring import CAPACITY, can_spool
from transform_hub.hub.reattach.shared_memory import make_memory
from transform_hub.hub.reattach.spool import Spool
from transform_hub.hub.reattach.topic_rings import TopicRing, TopicRings
from transform_hub.hub.topics.local import LocalTopic
from transform_hub.hub.topics.progress import Provided, Required

pytestmark = pytest.mark.skipif(not can_spool(), reason="this system can't keep topics")

OUTPUT = b"".join(b"line %d\n" % number for number in range(5)) + b"begun"


class Store:
    """A descriptor store that remembers what it is to hold."""

    def __init__(self):
        self.held = {}

    def hold(self, name, descriptors):
        self.held[name] = descriptors["topic"]

    def release(self, name):
        del self.held[name]


class Dying:
    """Words that a process ends before it writes, at a step of all."""

    def __init__(self, words, steps, last):
        self.words, self.steps, self.last = words, steps, last

    def __getitem__(self, place):
        return self.words[place]

    def __setitem__(self, place, value):
        if next(self.steps) == self.last:
            os._exit(1)
        self.words[place] = value


async def write(writer, pieces):
    for piece in pieces:
        await writer.write(piece)


def topic_of(ring):
    return LocalTopic("t", "text/plain", Channel(ring), ring.ring.number)


def die_at(step, ring, words):
    """Carry the output as a Hub would that ends before one of its steps; False if it has fewer."""
    pid = os.fork()
    if pid == 0:
        steps = itertools.count()
        ring.ring._counters = Dying(ring.ring._counters, steps, step)
        writer = topic_of(ring).writer(Provided(Dying(words, steps, step)))
        asyncio.run(write(writer, [OUTPUT[start : start + 9] for start in range(0, len(OUTPUT), 9)]))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_a_hub_that_dies_at_any_step_knows_what_is_in_the_topic():
    for step in itertools.count():
        spool, store = Spool(), Store()
        ring = TopicRing(store, "topic")
        Provided(spool["output"].provided).begin(ring.ring.number, 0)
        died = die_at(step, ring, spool["output"].provided)
        after = TopicRing(store, "topic", os.dup(store.held["topic"]))
        provided = Provided(spool["output"].provided)
        assert provided.topic == after.ring.number == ring.ring.number
        position = provided.position(after.written)
        assert position == after.written, step
        asyncio.run(write(topic_of(after).writer(provided), [OUTPUT[position:]]))
        assert after.read(0) == OUTPUT.removesuffix(b"begun"), step
        for each in (after, ring, spool):
            (each.close if each is spool else each.discard)()
        if not died:
            break
    assert step > 10


async def test_items_of_any_length_keep_their_positions():
    store = Store()
    ring = TopicRing(store, "topic")
    channel = Channel(ring)
    reader = channel.reader()
    whole = b""
    for size in (10, CAPACITY // 2, 10, CAPACITY * 3, 10, CAPACITY, 10):
        item = bytes([size % 251]) * size
        channel.feed(item)
        whole += item
        after = TopicRing(store, "topic", os.dup(store.held["topic"]))
        store.held["topic"] = ring._descriptor
        begin = reader.position
        again = Channel(after).reader(begin)
        assert again.position == begin
        for each in (reader, again):
            data = b""
            while piece := each.channel.take(each):
                data += piece
            assert data == whole[begin:]
            assert each.position == len(whole)
        assert after.ring.number == ring.ring.number
        after.discard()
    assert ring.ring.capacity == CAPACITY
    reader.close()
    channel.discard()


async def test_the_memory_of_a_deleted_topic_goes_with_its_last_reader():
    store = Store()
    topic = TopicRings(store).make("t", "text/plain")
    writer, reader, tap = topic.writer(), topic.reader(), topic.reader(tap=True)
    await writer.write(b"line\n")
    [descriptor] = store.held.values()
    topic.channel.close()
    assert store.held == {}
    for each in (reader, tap):
        os.fstat(descriptor)
        assert [await each.read(), await each.read()] == [b"line\n", b""]
        each.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert await topic.reader().read() == b""


def test_where_an_instance_is_that_reads():
    with memoryview(bytearray(16)) as memory, memory.cast("Q") as words:
        required = Required(words)
        for position, sent in ((0, 0), (100, 7), (7, 100)):
            required.begin(5, position, sent)
            assert required.position(sent) == position
            assert required.position(sent + 50) == position + 50


def test_where_an_instance_is_that_writes_does_not_depend_on_what_others_write_later():
    with memoryview(bytearray(32)) as memory, memory.cast("Q") as words:
        provided = Provided(words)
        provided.begin(5, 10)
        provided.intend(100, 20)
        assert (provided.position(99), provided.position(100)) == (10, 20)
        provided.settle(90)  # the Hub was killed before the topic had it
        assert provided.position(1000) == 10
        provided.intend(1000, 30)
        provided.settle(1000)
        assert (provided.position(0), provided.topic) == (30, 5)


@pytest.mark.parametrize("counters", [(0, 5, 6), (0, 5, 5, 6), (0, 1 << 63)])
async def test_damaged_memory_is_taken_for_empty(counters):
    memory = make_memory("topic", mmap.PAGESIZE + CAPACITY)
    os.pwrite(memory, struct.pack(f"={len(counters)}Q", *counters), 0)
    channel = Channel(TopicRing(Store(), "topic", memory))
    assert (channel.oldest, channel.written, channel.size) == (0, 0, 0)
    channel.feed(b"more")
    with channel.reader() as reader:
        assert channel.take(reader) == b"more"
    channel.discard()
