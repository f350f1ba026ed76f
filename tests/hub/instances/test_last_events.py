"""Events of an Instance by themselves: the last per name, waiters, streams, and that none of them grows."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transform_hub.hub.channels.memory import LIMIT
from transform_hub.hub.instances.events import PIECE, EndedError, Events


def ignore(level, text):
    pass


async def test_the_last_message_of_a_name_stays():
    events = Events(ignore)
    for message in (1, {"a": 2}, None):
        events.publish("x", message)
        assert json.loads(bytes(await events.last("x"))) == message


async def test_waiters_get_the_next_and_leave_nothing_behind():
    events = Events(ignore)
    events.publish("x", "before")
    waiting = [asyncio.ensure_future(events.next("x")) for _ in range(3)]
    other = asyncio.ensure_future(events.next("y"))
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    events.publish("x", "next")
    assert [json.loads(bytes(await waiter)) for waiter in waiting[1:]] == ["next", "next"]
    assert not other.done()
    other.cancel()
    await asyncio.wait({other})
    assert events._waiters == {}


async def test_the_end_wakes_waiters_and_ends_streams():
    events = Events(ignore)
    waiting = asyncio.ensure_future(events.next("x"))
    stream = events.stream("y")
    await asyncio.sleep(0)
    async with stream.reader() as reader:
        events.publish("y", "last")
        events.close()
        assert [await reader.read() for _ in range(2)] == [b'"last"\n', b""]
    with pytest.raises(EndedError):
        await waiting
    with pytest.raises(EndedError):
        await events.last("x")
    async with stream.reader() as reader:
        assert await reader.read() == b""


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=30)), max_size=80), st.integers(1, 200))
def test_last_messages_are_bounded_and_the_silent_are_forgotten_first(published, limit):
    events = Events(ignore, limit)
    for name, message in published:
        events.publish(name, message)
    sizes = [len(name) + len(data) for name, data in events._last.items()]
    assert events._size == sum(sizes)
    assert sum(sizes) <= limit or len(sizes) == 1
    order = list(dict.fromkeys(name for name, _ in reversed(published)))
    assert list(events._last)[::-1] == order[: len(events._last)]
    latest = dict(published)
    assert all(json.loads(data) == latest[name] for name, data in events._last.items())


async def test_readers_that_do_not_read_share_one_copy_of_the_latest_and_the_log_tells():
    noted = []
    events = Events(lambda level, text: noted.append((level, text)))
    async with contextlib.AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(events.stream("x").reader()) for _ in range(3)]
        for number in range(3000):
            events.publish("x", f"{number:01000}")
        assert len({reader.channel for reader in readers}) == 1
        assert readers[0].channel.size <= LIMIT + PIECE
        assert noted == [("WARN", "A reader of the events 'x' is too slow: it misses the oldest messages")] * 3
        events.close()
        for reader in readers[:2]:
            numbers = [int(json.loads(line)) for line in b"".join([data async for data in reader]).splitlines()]
            assert numbers == list(range(3000 - len(numbers), 3000))
            assert reader.missed == 1003 * (3000 - len(numbers))
    assert [text for _, text in noted[3:]] == [
        f"A reader of the events 'x' has left; it was too slow and missed {readers[0].missed} bytes"
    ] * 3
    assert events._streams == {}


async def test_a_reader_gets_what_comes_from_now_on_and_leaves_nothing_behind():
    events = Events(ignore)
    async with events.stream("x").reader() as first:
        events.publish("x", 1)
        assert await first.read() == b"1\n"
        async with events.stream("x").reader() as second:
            events.publish("x", 2)
            assert [await first.read(), await second.read()] == [b"2\n"] * 2
    assert events._streams == {}
    events.publish("x", 3)


async def test_messages_in_a_row_wake_readers_once():
    events = Events(ignore)
    async with events.stream("x").reader() as reader:
        for number in range(500):
            events.publish("x", number)
        assert len((await reader.read()).splitlines()) == 500
