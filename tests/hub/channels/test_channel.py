"""The stream primitive, over both stores: bounds, order, positions, taps, several readers and writers, history."""

import asyncio
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transform_hub.hub.channels import memory
from transform_hub.hub.channels.channel import Channel, ChannelClosedError
from transform_hub.hub.channels.memory import LIMIT
from transform_hub.hub.reattach.ring import CAPACITY, CHUNK, can_spool
from transform_hub.hub.reattach.spool import Spool


@pytest.fixture(params=["memory", "ring"])
def make(request):
    """Makes a channel over one of the stores; with the same arguments as a channel."""
    if request.param == "memory":
        yield Channel
        return
    if not can_spool():
        pytest.skip("this system can't keep streams")
    spools = []

    def make(**arguments):
        spools.append(Spool())
        return Channel(spools[-1]["output"], **arguments)

    yield make
    for spool in spools:
        spool.close()


async def all_now(reader):
    """What can be read without waiting."""
    return b"".join(iter(lambda: reader.channel.take(reader), b""))


async def test_what_nobody_read_waits_for_the_first_reader(make):
    channel = make()
    channel.feed(b"a")
    channel.feed(b"b")
    with channel.reader() as reader:
        assert await reader.read() == b"ab"
    with channel.reader() as late:
        channel.feed(b"c")
        assert await late.read() == b"c"


async def test_readers_at_the_same_time_each_get_everything(make):
    channel = make()
    with channel.reader() as one, channel.reader() as two:
        channel.feed(b"a")
        channel.close()
        assert [await one.read(), await one.read()] == [b"a", b""]
        assert [await two.read(), await two.read()] == [b"a", b""]


async def test_a_late_reader_gets_what_no_other_has_had(make):
    channel = make()
    with channel.reader() as slow, channel.reader() as fast:
        channel.feed(b"a")
        assert await fast.read() == b"a"
        channel.feed(b"b")
        with channel.reader() as late:
            assert await late.read() == b"b"
        assert await slow.read() == b"ab"


async def test_a_full_channel_holds_its_writer_until_the_slowest_has_read(make):
    channel = make(limit=4)
    with channel.reader() as fast, channel.reader() as slow:
        await channel.write(b"1234")
        writing = asyncio.ensure_future(channel.write(b"5"))
        assert await fast.read() == b"1234"
        await asyncio.sleep(0)
        assert not writing.done()
        assert await slow.read() == b"1234"
        await writing


async def test_many_readers_are_not_all_looked_at_for_each(make, monkeypatch):
    channel = make()
    looks, trim = [], channel._trim
    monkeypatch.setattr(channel, "_trim", lambda: (looks.append(1), trim()))
    readers = [channel.reader() for _ in range(100)]
    for _ in range(10):
        channel.feed(b"x")
        assert [await reader.read() for reader in readers] == [b"x"] * 100
    assert channel.size == 0
    assert len(looks) <= 2 * 10


@pytest.mark.parametrize("ahead", [0, 1, CHUNK, 3 * CHUNK])
async def test_a_reader_that_goes_on_further_ahead_holds_no_writer(make, ahead):
    """As after a killed Hub: it has had more than was noted of anybody."""
    channel = make()
    for _ in range(3):
        await channel.write(b"x" * CHUNK)

    async def write():
        for _ in range(20):
            await channel.write(b"x" * CHUNK)

    writing = asyncio.ensure_future(write())
    with channel.reader(ahead) as reader:
        left = 23 * CHUNK - ahead
        while left:
            left -= len(await reader.read())
        await writing


async def test_a_reader_that_goes_back_is_waited_for(make):
    channel = make()
    with channel.reader() as first:
        channel.feed(b"x" * CHUNK)
        assert await all_now(first) == b"x" * CHUNK
        with channel.reader(0) as again:
            channel.feed(b"y" * CHUNK)
            assert await all_now(first) == b"y" * CHUNK
            assert channel.size == 2 * CHUNK
            assert await all_now(again) == b"x" * CHUNK + b"y" * CHUNK
            assert channel.size == 0


async def test_a_reader_goes_on_at_any_position_that_is_kept(make):
    channel = make()
    stream = b"".join(b"%06d\n" % number for number in range(CAPACITY // 4))
    with channel.reader() as reader:
        for start in range(0, len(stream), 10_000):
            channel.feed(stream[start : start + 10_000])
            assert await all_now(reader)
    assert 0 < channel.oldest <= len(stream) - 3 * CHUNK  # what may be on its way to a client that breaks off
    for at in (channel.oldest, channel.oldest + 1, len(stream) - CHUNK - 1, len(stream) - 1, len(stream)):
        with channel.reader(at) as again:
            assert again.position == at
            assert await all_now(again) == stream[at:]
    with channel.reader(0) as too_late, channel.reader(len(stream) + 5) as too_early:
        assert too_late.position == channel.oldest
        assert too_early.position == len(stream)


async def test_a_reader_that_seeks_goes_on_there(make):
    channel = make()
    channel.feed(b"0123456789")
    with channel.reader() as reader:
        reader.seek(7)
        assert await reader.read() == b"789"
        reader.seek(2)
        assert channel.size == 8
        assert await reader.read() == b"23456789"
    with channel.reader() as late:
        channel.feed(b"x")
        assert await late.read() == b"x"


async def test_a_tap_takes_nothing_and_holds_nobody(make):
    channel = make(limit=4)
    with channel.reader(tap=True) as tap:
        assert channel.readers == 0
        await channel.write(b"1234")
        writing = asyncio.ensure_future(channel.write(b"56"))
        assert await tap.read() == b"1234"
        await asyncio.sleep(0)
        assert not writing.done()  # nobody has taken anything
        with channel.reader() as reader:
            assert await reader.read() == b"1234"
            await writing
            assert await reader.read() == b"56"
        assert await tap.read() == b"56"
        channel.feed(b"for the next")
        channel.close()
        assert [await tap.read(), await tap.read()] == [b"for the next", b""]
    with channel.reader() as late:
        assert await late.read() == b"for the next"


async def test_a_tap_begins_now_or_at_a_position_that_is_kept(make):
    channel = make()
    channel.feed(b"before ")
    with channel.reader(tap=True) as now, channel.reader(2, tap=True) as earlier:
        channel.feed(b"after")
        assert now.position == 7
        assert await all_now(now) == b"after"
        assert await all_now(earlier) == b"fore after"


async def test_a_tap_that_is_too_slow_knows_what_it_has_missed(make):
    channel = make()
    with channel.reader() as reader, channel.reader(tap=True) as tap:
        for number in range(40):
            channel.feed(bytes([number]) * CHUNK)
            await all_now(reader)
        data = await all_now(tap)
        assert tap.missed == 40 * CHUNK - len(data) > 0
        assert tap.position == 40 * CHUNK
        assert data.endswith(bytes([39]) * CHUNK)
        channel.feed(b"next")
        missed = tap.missed
        assert await tap.read() == b"next"
        assert tap.missed == missed


async def test_the_tail_is_what_came_last_read_or_not(make):
    channel = make()
    assert channel.tail(10) == b""
    channel.feed(b"0123456789")
    assert (channel.tail(3), channel.tail(100)) == (b"789", b"0123456789")
    with channel.reader() as reader:
        await reader.read()
    assert channel.tail(3) == b"789"
    assert channel.size == 0
    channel.discard()
    assert channel.tail(3) == b""


async def test_what_was_discarded_is_the_end_for_everybody(make):
    channel = make()
    channel.feed(b"a")
    with channel.reader() as reader, channel.reader(tap=True) as tap:
        channel.discard()
        assert [await reader.read(), await tap.read()] == [b"", b""]
    with channel.reader(0) as late:
        assert await late.read() == b""
    assert (channel.size, channel.written) == (0, 1)


async def test_a_reader_that_leaves_holds_nobody(make):
    channel = make(limit=1)
    stuck = channel.reader()
    with channel.reader() as reader:
        channel.feed(b"a")
        assert await reader.read() == b"a"
        writing = asyncio.ensure_future(channel.write(b"b"))
        await asyncio.sleep(0)
        assert not writing.done()
        stuck.close()
        await writing


async def test_closing_wakes_writers_and_readers(make):
    channel = make(limit=1)
    channel.feed(b"a")
    writing = asyncio.ensure_future(channel.write(b"b"))
    await asyncio.sleep(0)
    channel.close()
    with pytest.raises(ChannelClosedError):
        await writing
    with pytest.raises(ChannelClosedError):
        channel.feed(b"c")
    with channel.reader() as reader:
        assert [await reader.read(), await reader.read()] == [b"a", b""]


async def test_a_cancelled_read_loses_nothing(make):
    channel = make()
    with channel.reader() as reader:
        reading = asyncio.ensure_future(reader.read())
        await asyncio.sleep(0)
        channel.feed(b"a")  # the reader is woken and cancelled in the same turn
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await reader.read() == b"a"


async def test_history_keeps_the_latest_for_everybody():
    channel = Channel(limit=4, history=True)
    slow = channel.reader()
    for letter in (b"1", b"2", b"3", b"4", b"5", b"6"):
        assert channel.feed(letter)
    with channel.reader() as one, channel.reader() as two:
        assert await one.read() == await two.read() == b"3456"
    assert await slow.read() == b"3456"
    assert slow.missed == 2


async def test_large_chunks_in_memory_are_handed_on_uncopied():
    channel = Channel()
    large = bytes(100_000)
    channel.feed(b"small")
    channel.feed(large)
    with channel.reader() as reader:
        assert await reader.read() == b"small"
        assert await reader.read() is large


async def test_memory_is_bounded_however_much_flows():
    channel = Channel()
    with channel.reader() as reader:
        for _ in range(100):
            channel.feed(bytes(CHUNK))
            await all_now(reader)
    assert sum(map(len, channel._store._chunks)) < 2 * LIMIT


@settings(max_examples=60, deadline=None)
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=60),
    limit=st.integers(1, 64),
    readers=st.integers(1, 4),
)
def test_every_reader_gets_every_byte_in_order(chunks, limit, readers):
    async def run():
        channel = Channel(limit=limit)
        largest = 0

        async def read(reader):
            nonlocal largest
            parts = []
            while data := await reader.read():
                parts.append(data)
                largest = max(largest, channel.size)
                await asyncio.sleep(0)
            return b"".join(parts)

        tasks = [asyncio.ensure_future(read(channel.reader())) for _ in range(readers)]
        for chunk in chunks:
            await channel.write(chunk)
        channel.close()
        assert await asyncio.gather(*tasks) == [b"".join(chunks)] * readers
        assert largest < limit + 40
        assert channel.size == 0

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(chunks=st.lists(st.binary(min_size=1, max_size=20), max_size=40), data=st.data())
def test_the_memory_gives_the_stream_from_any_position(chunks, data):
    with patch.object(memory, "JOIN", 30):
        store = memory.MemoryStore(50)
        stream = b""
        for chunk in chunks:
            store.append(chunk)
            stream += chunk
            store.hold_from(data.draw(st.integers(store._held_from, len(stream))))
            held = max(len(stream) - store._held_from, 50)
            assert store.oldest <= max(len(stream) - 50, 0) or store.oldest <= store._held_from
            assert sum(map(len, store._chunks)) <= held + 40
            position = start = data.draw(st.integers(store.oldest, len(stream)))
            while piece := store.read(position):
                position += len(piece)
            assert position == len(stream)
            assert store.read(start) == stream[start : start + len(store.read(start))]


@settings(max_examples=60, deadline=None)
@given(writers=st.lists(st.lists(st.integers(1, 30), max_size=20), min_size=1, max_size=4), limit=st.integers(1, 50))
def test_each_writers_order_is_kept_and_nothing_is_lost_or_doubled(writers, limit):
    async def run():
        channel = Channel(limit=limit)

        async def write(number, sizes):
            for index, size in enumerate(sizes):
                await channel.write(b"%d:%d%s\n" % (number, index, b"x" * size))

        async def read():
            with channel.reader() as reader:
                return b"".join([data async for data in reader])

        reading = asyncio.ensure_future(read())
        await asyncio.gather(*(write(number, sizes) for number, sizes in enumerate(writers)))
        channel.close()
        lines = [line.rstrip(b"x") for line in (await reading).splitlines()]
        for number, sizes in enumerate(writers):
            mine = [line for line in lines if line.startswith(b"%d:" % number)]
            assert mine == [b"%d:%d" % (number, index) for index in range(len(sizes))]

    asyncio.run(run())
