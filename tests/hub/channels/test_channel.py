"""The stream primitive: bounds, order, several readers and writers, both kinds."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transform_hub.hub.channels.channel import Channel, ChannelClosedError
from transform_hub.hub.reattach.ring import CHUNK, Spool, SpooledChannel, can_spool


@pytest.fixture
def spooled():
    """A channel whose bytes are in a ring."""
    if not can_spool():
        pytest.skip("this system can't keep streams")
    spool = Spool()
    yield SpooledChannel(spool["output"])
    spool.close()


async def test_what_nobody_read_waits_for_the_first_reader():
    channel = Channel()
    channel.feed(b"a")
    channel.feed(b"b")
    with channel.reader() as reader:
        assert await reader.read() == b"ab"
    with channel.reader() as late:
        channel.feed(b"c")
        assert await late.read() == b"c"


async def test_readers_at_the_same_time_each_get_everything():
    channel = Channel()
    with channel.reader() as one, channel.reader() as two:
        channel.feed(b"a")
        channel.close()
        assert [await one.read(), await one.read()] == [b"a", b""]
        assert [await two.read(), await two.read()] == [b"a", b""]


async def test_a_late_reader_gets_what_no_other_has_had():
    channel = Channel()
    with channel.reader() as slow, channel.reader() as fast:
        channel.feed(b"a")
        assert await fast.read() == b"a"
        channel.feed(b"b")
        with channel.reader() as late:
            assert await late.read() == b"b"
        assert await slow.read() == b"ab"


async def test_a_full_channel_holds_its_writer_until_the_slowest_has_read():
    channel = Channel(limit=4)
    with channel.reader() as fast, channel.reader() as slow:
        await channel.write(b"1234")
        writing = asyncio.ensure_future(channel.write(b"5"))
        assert await fast.read() == b"1234"
        await asyncio.sleep(0)
        assert not writing.done()
        assert await slow.read() == b"1234"
        await writing


@pytest.mark.parametrize("kind", ["queue", "spooled"])
async def test_many_readers_are_not_all_looked_at_for_each(kind, request, monkeypatch):
    channel = Channel() if kind == "queue" else request.getfixturevalue("spooled")
    looks, trim = [], channel._trim
    monkeypatch.setattr(channel, "_trim", lambda: (looks.append(1), trim()))
    readers = [channel.reader() for _ in range(100)]
    for _ in range(10):
        channel.feed(b"x")
        assert [await reader.read() for reader in readers] == [b"x"] * 100
    assert channel.size == 0
    assert len(looks) <= 2 * 10
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("ahead", [0, 1, CHUNK, 3 * CHUNK])
async def test_a_reader_that_goes_on_further_ahead_holds_no_writer(spooled, ahead):
    """As after a killed Hub: it has had more than was noted of anybody."""
    for _ in range(3):
        await spooled.write(b"x" * CHUNK)
    writing = asyncio.ensure_future(_write(spooled, 20 * CHUNK))
    with spooled.reader(ahead) as reader:
        left = 23 * CHUNK - ahead
        while left:
            left -= len(await reader.read())
        await writing


async def test_a_reader_that_goes_back_is_waited_for(spooled):
    with spooled.reader() as first:
        spooled.feed(b"x" * CHUNK)
        assert len(await first.read()) == CHUNK
        with spooled.reader(0) as again:
            spooled.feed(b"y" * CHUNK)
            assert len(await first.read()) == CHUNK
            assert spooled.size == 2 * CHUNK
            assert await again.read() == b"x" * CHUNK
            assert await again.read() == b"y" * CHUNK
            assert spooled.size == 0


async def _write(channel, size):
    for _ in range(0, size, CHUNK):
        await channel.write(b"x" * CHUNK)


async def test_a_reader_that_leaves_holds_nobody():
    channel = Channel(limit=1)
    stuck = channel.reader()
    with channel.reader() as reader:
        channel.feed(b"a")
        assert await reader.read() == b"a"
        writing = asyncio.ensure_future(channel.write(b"b"))
        await asyncio.sleep(0)
        assert not writing.done()
        stuck.close()
        await writing


async def test_closing_wakes_writers_and_readers():
    channel = Channel(limit=1)
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


async def test_a_cancelled_read_loses_nothing():
    channel = Channel()
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


async def test_large_chunks_are_handed_on_uncopied():
    channel = Channel()
    large = bytes(100_000)
    channel.feed(b"small")
    channel.feed(large)
    with channel.reader() as reader:
        assert await reader.read() == b"small"
        assert await reader.read() is large


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
