"""Streams and time: steps that are given up, and lists of what has come in a time."""

import asyncio

import pytest
from scramjet import streams

from transform_hub.runner import operators


@pytest.fixture(autouse=True)
async def stream():
    operators.install()
    return streams.Stream(max_parallel=64)


async def given_up(stream):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(anext(stream), 0.01)


@pytest.mark.parametrize(
    "of", [lambda stream: stream, aiter, lambda stream: stream.map(str), lambda stream: stream.batch(1)]
)
async def test_a_step_that_is_given_up_takes_nothing_and_ends_nothing(stream, of):
    items = of(stream)
    await given_up(items)
    await given_up(items)
    for number in range(3):
        stream.write(number)
    found = [await anext(items) for _ in range(3)]
    await given_up(items)
    stream.end()
    with pytest.raises(StopAsyncIteration):
        await anext(items)
    assert found in ([0, 1, 2], ["0", "1", "2"], [[0], [1], [2]])


async def test_steps_and_loops_may_be_mixed(stream):
    for number in range(5):
        stream.write(number)
    stream.end()
    assert await anext(stream) == 0
    async for item in stream:
        assert item == 1
        break
    assert await stream.read() == 2
    assert [item async for item in stream] == [3, 4]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    "make", [lambda stream, size: stream.batch(size), lambda stream, size: stream.window(count=size)]
)
async def test_batches_have_so_many_items(stream, size, make):
    for number in range(7):
        stream.write(number)
    stream.end()
    found = await make(stream, size).to_list()
    assert found == [list(range(start, min(start + size, 7))) for start in range(0, 7, size)]


async def test_an_empty_stream_has_no_window(stream):
    stream.end()
    assert await stream.window(seconds=1, count=2).to_list() == []


async def test_a_window_ends_with_its_time_though_nothing_comes(stream):
    windows = stream.window(seconds=0.05)
    stream.write(1)
    stream.write(2)
    assert await anext(windows) == [1, 2]
    stream.write(3)
    assert await anext(windows) == [3]
    stream.end()
    assert await windows.to_list() == []


async def test_a_window_ends_with_its_count_before_its_time(stream):
    windows = stream.window(seconds=600, count=2)
    for number in range(5):
        stream.write(number)
    assert await anext(windows) == [0, 1]
    assert await anext(windows) == [2, 3]
    stream.end()
    assert await anext(windows) == [4]


async def test_nothing_is_lost_between_windows(stream):
    windows = stream.window(seconds=0.001)
    found = []

    async def read():
        async for window in windows:
            assert window
            found.extend(window)

    reading = asyncio.ensure_future(read())
    for number in range(2000):
        await stream.write(number)
        if number % 7 == 0:
            await asyncio.sleep(0.0003)
    stream.end()
    await reading
    assert found == list(range(2000))


@pytest.mark.parametrize(
    "options", [{}, {"seconds": 0}, {"seconds": float("nan")}, {"count": 0}, {"seconds": 1, "count": -1}]
)
async def test_windows_that_can_not_be(stream, options):
    with pytest.raises(ValueError, match="seconds"):
        stream.window(**options)


SOURCE = """
import asyncio
async def run(context, input):
    timeouts = 0
    while True:
        try:
            line = await asyncio.wait_for(anext(input), 0.02)
        except asyncio.TimeoutError:
            timeouts += 1
            if timeouts == 3:
                context.emit("waiting")
            continue
        except StopAsyncIteration:
            return
        yield line
"""


async def test_an_instance_waits_for_its_input_with_a_timeout(launch, api):
    instance = await launch(SOURCE)
    await api.get(f"{instance}/event/waiting")
    await api.input(instance, b"a\nb\n")
    assert await api.read(f"{instance}/output") == b"a\nb\n"
    assert (await api.ended(instance))["status"] == "completed"
