"""Channels that are lossy while nobody takes, or while somebody shares them, over both stores."""

import asyncio
import os

import pytest

from transform_hub.hub.channels import channel as channels
from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.channels.memory import LIMIT, UNREAD_LIMIT, MemoryStore
from transform_hub.hub.reattach.ring import CHUNK, can_spool
from transform_hub.hub.reattach.spool import Spool
from until import until


@pytest.fixture(params=["memory", "ring"])
def store(request):
    if request.param == "memory":
        yield MemoryStore()
        return
    if not can_spool():
        pytest.skip("this system can't keep streams")
    spool = Spool()
    yield spool["stdout"]
    spool.close()


@pytest.fixture
def dropped():
    return []


@pytest.fixture
def lossy(store, dropped):
    return Channel(store, limit=1000, lossy=True, on_dropped=dropped.append)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(channels, "PATIENCE", 0)


async def all_now(reader):
    """What can be read without waiting."""
    return b"".join(iter(lambda: reader.channel.take(reader), b""))


async def write(channel, size, begin=0):
    """Bytes whose value tells their position."""
    for position in range(begin, begin + size, 100):
        await channel.write(stream(position, position + 100))


def stream(begin, end):
    return bytes(position % 251 for position in range(begin, end))


@pytest.mark.usefixtures("impatient")
async def test_while_nobody_reads_the_latest_bytes_are_kept(lossy, dropped):
    await write(lossy, 5000)
    with lossy.reader(tap=True):
        assert dropped == []
    with lossy.reader() as reader:
        assert reader.position == 4000
        assert dropped == [4000]
        assert await all_now(reader) == stream(4000, 5000)
    with lossy.reader():
        assert dropped == [4000]


@pytest.mark.usefixtures("impatient")
async def test_each_gap_is_told_once(lossy, dropped):
    await write(lossy, 5000)
    with lossy.reader():  # which leaves without having taken anything
        pass
    await write(lossy, 3000, 5000)
    with lossy.reader(4500) as reader:
        assert dropped == [4000, 3000]
        assert reader.position <= 4500 or reader.position == 7000
    await write(lossy, 3000, 8000)
    assert dropped == [4000, 3000]
    lossy.close()
    assert dropped == [4000, 3000, 3000]
    with lossy.reader() as late:
        assert late.position == 10_000
        assert await all_now(late) == stream(10_000, 11_000)
    assert len(dropped) == 3


@pytest.mark.usefixtures("impatient")
async def test_a_reader_that_is_there_paces_and_gets_everything(lossy, dropped):
    with lossy.reader() as reader:
        writing = asyncio.ensure_future(write(lossy, 5000))
        await until(lambda: lossy.is_held)
        assert not writing.done()
        assert b"".join([await reader.read() for _ in range(1)])[:5] == stream(0, 5)
        data = bytearray(stream(0, reader.position))
        while len(data) < 5000:
            data += await reader.read()
        await writing
        assert data == stream(0, 5000)
    assert dropped == []


@pytest.mark.usefixtures("impatient")
async def test_a_reader_that_leaves_sets_the_writer_free(lossy, dropped):
    reader = lossy.reader()
    writing = asyncio.ensure_future(write(lossy, 5000))
    await until(lambda: lossy.is_held)
    with lossy.reader(tap=True):
        reader.close()
        await writing
    lossy.close()
    assert dropped == [4000]


async def test_a_reader_that_comes_in_time_misses_nothing(lossy, dropped):
    writing = asyncio.ensure_future(write(lossy, 5000))
    await until(lambda: lossy.is_held)
    data = b""
    with lossy.reader() as reader:
        while len(data) < 5000:
            data += await reader.read()
    await writing
    assert data == stream(0, 5000)
    assert dropped == []


@pytest.mark.skipif(not can_spool(), reason="this system can't keep streams")
async def test_another_hub_goes_on_with_what_was_dropped(impatient, dropped):
    first = Spool(unread_limit=2 * LIMIT)
    channel = Channel(first["stdout"], limit=2 * LIMIT, lossy=True, on_dropped=dropped.append)
    for _ in range(40):
        await channel.write(bytes(CHUNK))
    again = Spool(UNREAD_LIMIT, {name: os.dup(descriptor) for name, descriptor in first.descriptors.items()})
    assert again.unread_limit == 2 * LIMIT  # there is no room for more
    channel = Channel(again["stdout"], limit=LIMIT, lossy=True, on_dropped=dropped.append)
    await channel.write(b"more")  # though it is full: nobody was there for long
    with channel.reader() as reader:
        assert dropped == [reader.position]
        assert reader.position + len(await all_now(reader)) == 40 * CHUNK + 4
    for spool in (first, again):
        spool.close()


@pytest.mark.skipif(not can_spool(), reason="this system can't keep streams")
@pytest.mark.parametrize("limit", [UNREAD_LIMIT, UNREAD_LIMIT + 1, 3 * LIMIT])
async def test_memory_of_a_ring_that_was_read_is_given_back(limit):
    spool = Spool(limit)

    def used():
        return os.fstat(spool.descriptors["streams"]).st_blocks * 512

    channel = Channel(spool["stdout"], limit=spool.unread_limit, lossy=True)
    with channel.reader() as reader:
        for number in range(30):
            for _ in range(limit // CHUNK):
                channel.feed(bytes([number + 1]) * CHUNK)
            assert await all_now(reader) == bytes([number + 1]) * (limit // CHUNK * CHUNK)
            assert used() < 4 * LIMIT
    kept = channel.oldest
    assert channel.written - kept > LIMIT
    with channel.reader(0) as late:
        assert late.position == kept
        assert await all_now(late) == bytes([30]) * (channel.written - kept)
    spool.close()


# --- shared: who shares paces, those who take get it as well -----------------------------------------------


@pytest.fixture
def shared(store):
    return Channel(store, limit=1000)


async def test_who_shares_takes_nothing(shared):
    with shared.reader(shares=True) as carrier:
        await write(shared, 500)
        assert await all_now(carrier) == stream(0, 500)
        with shared.reader() as reader:
            assert await all_now(reader) == stream(0, 500)
        with shared.reader() as later:
            assert await all_now(later) == b""


async def test_who_shares_may_begin_before_what_was_taken(shared):
    await write(shared, 500)
    with shared.reader() as reader:
        await all_now(reader)
        with shared.reader(0, shares=True) as carrier:
            assert await all_now(carrier) == stream(0, 500)


@pytest.mark.usefixtures("impatient")
async def test_alone_who_shares_paces_and_the_latest_is_kept_for_others(shared):
    with shared.reader(shares=True) as carrier:
        writing = asyncio.ensure_future(write(shared, 5000))
        await until(lambda: shared.is_held)
        assert not writing.done()
        data = b""
        while len(data) < 5000:
            data += await carrier.read()
        await writing
        assert data == stream(0, 5000)
        with shared.reader() as late:
            assert late.position == 4000
            assert await all_now(late) == stream(4000, 5000)


@pytest.mark.parametrize("slow", ["carrier", "reader"])
async def test_both_pace_and_get_everything(slow, shared):
    with shared.reader(shares=True) as carrier, shared.reader() as reader:
        writing = asyncio.ensure_future(write(shared, 5000))
        first, second = (reader, carrier) if slow == "carrier" else (carrier, reader)
        parts = {first: b"", second: b""}
        while len(parts[second]) < 5000:
            await until(lambda: shared.is_held or writing.done())
            for each in (first, second):
                parts[each] += await all_now(each)
        await writing
        assert list(parts.values()) == [stream(0, 5000)] * 2


@pytest.mark.usefixtures("impatient")
async def test_without_who_shares_writers_wait_for_a_reader(shared):
    carrier = shared.reader(shares=True)
    await write(shared, 1000)
    await until(lambda: shared._is_dropping)
    carrier.close()
    writing = asyncio.ensure_future(write(shared, 1000, 1000))
    await until(lambda: shared.is_held)
    with shared.reader() as reader:
        assert await all_now(reader) == stream(0, 1000)
        await writing
        assert await all_now(reader) == stream(1000, 2000)
