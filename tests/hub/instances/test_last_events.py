"""Events of an Instance by themselves: the last per name, waiters, streams, and that none of them grows."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transform_hub.hub.channels.memory import LIMIT
from transform_hub.hub.instances.events import EndedError, Events


async def test_the_last_message_of_a_name_stays():
    events = Events()
    for message in (1, {"a": 2}, None):
        events.publish("x", message)
        assert json.loads(bytes(await events.last("x"))) == message


async def test_waiters_get_the_next_and_leave_nothing_behind():
    events = Events()
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
    events = Events()
    waiting = asyncio.ensure_future(events.next("x"))
    stream = events.subscribe("x")
    await asyncio.sleep(0)
    events.close()
    with pytest.raises(EndedError):
        await waiting
    with pytest.raises(EndedError):
        await events.last("x")
    for channel in (stream, events.subscribe("x")):
        with channel.reader() as reader:
            assert await reader.read() == b""


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=30)), max_size=80), st.integers(1, 200))
def test_last_messages_are_bounded_and_the_silent_are_forgotten_first(published, limit):
    events = Events(limit)
    for name, message in published:
        events.publish(name, message)
    sizes = [len(name) + len(data) for name, data in events._last.items()]
    assert events._size == sum(sizes)
    assert sum(sizes) <= limit or len(sizes) == 1
    order = list(dict.fromkeys(name for name, _ in reversed(published)))
    assert list(events._last)[::-1] == order[: len(events._last)]
    latest = dict(published)
    assert all(json.loads(data) == latest[name] for name, data in events._last.items())


async def test_a_stream_that_is_not_read_keeps_the_latest():
    events = Events()
    stream = events.subscribe("x")
    reader = stream.reader()
    for number in range(3000):
        events.publish("x", f"{number:01000}")
    assert stream.size <= LIMIT
    stream.close()
    numbers = [int(json.loads(line)) for line in b"".join([data async for data in reader]).splitlines()]
    assert numbers == list(range(3000 - len(numbers), 3000))
    assert reader.missed == 1003 * (3000 - len(numbers))
    events.unsubscribe("x", stream)
    assert events._streams == {}
