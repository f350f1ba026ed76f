"""A stream in which nothing happens keeps little of what all its readers have had, and all of what they have not."""

import os

import pytest

from transform_hub.hub.channels import idle
from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.channels.idle import KEPT
from transform_hub.hub.channels.memory import LIMIT, MemoryStore
from transform_hub.hub.reattach.ring import CAPACITY, CHUNK, can_spool
from transform_hub.hub.reattach.spool import Spool
from transform_hub.hub.reattach.topic_rings import TopicRing
from until import until

PIECE = 1000
FLOWED = 3 * CAPACITY // PIECE


class Store:
    """A descriptor store; nobody asks it."""

    def hold(self, name, descriptors):
        pass


@pytest.fixture(params=["memory", "output", "stdout", "topic"])
def kept(request, monkeypatch):
    """A store, and a function that gives the bytes of memory that it takes."""
    monkeypatch.setattr(idle, "IDLE", 0.01)
    if request.param == "memory":
        store = MemoryStore()
        yield store, lambda: sum(map(len, store._chunks))
        return
    if not can_spool():
        pytest.skip("this system can't keep streams")
    spool = Spool()
    store = TopicRing(Store(), "topic") if request.param == "topic" else spool[request.param]
    file = store._descriptor if request.param == "topic" else spool.descriptors["streams"]
    yield store, lambda: os.fstat(file).st_blocks * 512
    spool.close()  # a topic's memory goes with its channel


def flow(channel, reader, count=FLOWED):
    for number in range(count):
        channel.feed(b"%09d\n" % number * (PIECE // 10))
        while reader is not None and channel.take(reader):
            pass


def part(begin, end):
    """What :func:`flow` has written, from a position to another."""
    numbers = range(begin // PIECE, -(-end // PIECE))
    data = b"".join(b"%09d\n" % number * (PIECE // 10) for number in numbers)
    return data[begin - numbers[0] * PIECE :][: end - begin]


async def test_what_all_have_had_is_given_back(kept):
    store, used = kept
    channel = Channel(store)
    reader = channel.reader()
    flow(channel, reader)
    assert channel.written - channel.oldest > LIMIT
    await until(lambda: used() < 2 * KEPT)
    assert channel.oldest <= channel.written - KEPT + PIECE
    with channel.reader(0) as late:
        begin = late.position
        assert b"".join(iter(lambda: channel.take(late), b"")) == part(begin, channel.written)
    before = channel.written
    for _ in range(CAPACITY // CHUNK):  # its memory is used again
        channel.feed(b"y" * CHUNK)
        assert b"".join(iter(lambda: channel.take(reader), b"")) == b"y" * CHUNK
    assert channel.written == before + CAPACITY // CHUNK * CHUNK
    channel.discard()


async def test_what_nobody_has_had_stays(kept):
    store, used = kept
    channel = Channel(store)
    with channel.reader() as reader:
        flow(channel, reader)
    begin = channel.written
    for number in range(FLOWED, FLOWED + LIMIT // PIECE):
        channel.feed(b"%09d\n" % number * (PIECE // 10))
    await until(lambda: channel.oldest > begin - CHUNK)  # all before may go
    with channel.reader() as late:
        assert late.position == begin
        assert b"".join(iter(lambda: channel.take(late), b"")) == part(begin, channel.written)
        await until(lambda: used() < 2 * KEPT)
    channel.discard()


async def test_an_idle_stream_has_no_timer(kept):
    store, _ = kept
    channel = Channel(store)
    flow(channel, None, 3)
    await until(lambda: channel._idle._timer is None)
    flow(channel, None, 3)
    assert channel._idle._timer is not None
    channel.discard()
    assert channel._idle._timer is None
