"""What an Instance has put into a topic is known at whatever step a Hub dies; items may be longer than the memory."""

import asyncio
import itertools
import os

import pytest

from transform_hub.hub.reattach.ring import CAPACITY, Spool, can_spool
from transform_hub.hub.reattach.topic_rings import Provided, Required, TopicChannel
from transform_hub.hub.topics.bus import Topic

pytestmark = pytest.mark.skipif(not can_spool(), reason="this system can't keep topics")

OUTPUT = b"".join(b"line %d\n" % number for number in range(5)) + b"begun"


class Keeper:
    """Remembers what it is to keep."""

    def __init__(self):
        self.held = {}

    def hold(self, name, descriptor):
        self.held[name] = descriptor

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


def die_at(step, channel, words):
    """Carry the output as a Hub would that ends before one of its steps; False if it has fewer."""
    pid = os.fork()
    if pid == 0:
        steps = itertools.count()
        channel.ring._counters = Dying(channel.ring._counters, steps, step)
        writer = Topic("t", "text/plain", channel).writer(Provided(Dying(words, steps, step)))
        asyncio.run(write(writer, [OUTPUT[start : start + 9] for start in range(0, len(OUTPUT), 9)]))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_a_hub_that_dies_at_any_step_knows_what_is_in_the_topic():
    for step in itertools.count():
        spool, keeper = Spool(), Keeper()
        channel = TopicChannel(keeper, "topic")
        Provided(spool["output"].provided).begin(channel.number, 0)
        died = die_at(step, channel, spool["output"].provided)
        after = TopicChannel(keeper, "topic", os.dup(keeper.held["topic"]))
        provided = Provided(spool["output"].provided)
        assert provided.topic == after.number == channel.number
        position = provided.position(after.written)
        assert position == after.written, step
        asyncio.run(write(Topic("t", "text/plain", after).writer(provided), [OUTPUT[position:]]))
        assert after.ring.read(0) == OUTPUT.removesuffix(b"begun"), step
        after.close()
        keeper.held["topic"] = None
        channel.close()
        spool.close()
        if not died:
            break
    assert step > 10


def test_items_of_any_length_keep_their_positions():
    keeper = Keeper()
    channel = TopicChannel(keeper, "topic")
    reader = channel.reader()
    whole = b""
    for size in (10, CAPACITY // 2, 10, CAPACITY * 3, 10, CAPACITY, 10):
        item = bytes([size % 251]) * size
        channel.feed(item)
        whole += item
        after = TopicChannel(keeper, "topic", os.dup(keeper.held["topic"]))
        keeper.held["topic"] = channel._descriptor
        begin = reader.position
        again = after.reader(begin)
        assert again.position == begin
        for each in (reader, again):
            data = b""
            while piece := each.channel.take(each):
                data += piece
            assert data == whole[begin:]
            assert each.position == len(whole)
        assert after.number == channel.number
        again.close()
        after.ring.close()
        after._mapped.close()
        os.close(after._descriptor)
    assert channel.ring.capacity == CAPACITY
    reader.close()
    channel.close()
    assert keeper.held == {}


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
