"""The engine of Streams: the framework's own is the measure of what operators give, and in which order."""

import asyncio
import importlib.util
import random

import pytest
from scramjet import pyfca, streams
from scramjet.pyfca import DropChunk

from transform_hub.runner import operators


@pytest.fixture(scope="module")
def own():
    """The framework's module of Streams as it comes, beside the one that runs on Pipelines."""
    operators.install()
    spec = importlib.util.spec_from_file_location("scramjet_as_it_comes", streams.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.Pyfca is pyfca.Pyfca
    return module


@pytest.fixture(params=["own", "pipeline"])
def framework(request, own):
    """Both, for what has to hold for each."""
    return own if request.param == "own" else streams


async def later(value):
    await asyncio.sleep(0)
    return value


async def sometimes_later(value):
    for _ in range(value % 4):
        await asyncio.sleep(0)
    return value + 1


async def pair(value):
    return [value, value]


OPERATORS = {
    "map": lambda stream: stream.map(lambda item: item * 2),
    "map with arguments": lambda stream: stream.map(max, 7, 3),
    "async map": lambda stream: stream.map(sometimes_later),
    "map that is async now and then": lambda stream: stream.map(lambda item: later(item) if item % 5 == 0 else item),
    "map that drops": lambda stream: stream.map(lambda item: DropChunk if item % 7 == 0 else item),
    "async map that drops": lambda stream: stream.map(lambda item: later(DropChunk if item % 7 == 0 else item)),
    "filter": lambda stream: stream.filter(lambda item: item % 3),
    "filter with arguments": lambda stream: stream.filter(lambda item, limit: item < limit, 50),
    "async filter": lambda stream: stream.filter(lambda item: later(item % 2)),
    "each": lambda stream: stream.each(lambda item: None),
    "async each": lambda stream: stream.each(sometimes_later),
    "flatmap": lambda stream: stream.flatmap(lambda item: range(item % 3)),
    "async flatmap": lambda stream: stream.flatmap(pair),
    "batch": lambda stream: stream.batch(lambda item: item % 4 == 0).map(sum),
    "sequence": lambda stream: stream.sequence(lambda part, item: [part, item], 1),
}


async def by_reading(stream):
    items = []
    while (item := await stream.read()) is not None:
        items.append(item)
    return items


async def by_iterating(stream):
    return [item async for item in stream]


async def by_piping(stream):
    target = type(stream)()
    stream.pipe(target)
    return await target.to_list()


SINKS = [by_reading, by_iterating, by_piping, lambda stream: stream.to_list()]


@pytest.mark.parametrize("seed", range(60))
async def test_chains_give_what_they_give_with_the_frameworks_own_engine(seed, own):
    choice = random.Random(seed)
    names = [choice.choice(list(OPERATORS)) for _ in range(choice.randint(0, 5))]
    count, parallel, sink = choice.choice([0, 1, 63, 64, 65, 200]), choice.choice([1, 2, 5, 64]), choice.choice(SINKS)
    results = []
    for framework in (own, streams):
        stream = framework.Stream.from_iterable(range(count), max_parallel=parallel)
        for name in names:
            stream = OPERATORS[name](stream)
        results.append(await sink(stream))
    assert results[1] == results[0], names


async def test_as_many_functions_run_at_once_as_max_parallel_says(framework):
    running, most = 0, 0

    async def slow(item):
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(50):
            await asyncio.sleep(0)
        running -= 1
        return item

    stream = framework.Stream.from_iterable(range(100), max_parallel=8).map(slow)
    assert await stream.to_list() == list(range(100))
    assert most == 8


async def turns():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_each_read_makes_room_for_one_writer(framework):
    stream = framework.Stream(max_parallel=4)
    drains = [stream.write(item) for item in range(6)]
    done = []
    for _ in range(4):
        await turns()
        done.append(sum(drain.done() for drain in drains))
        await stream.read()
    assert done == [3, 4, 5, 6]


async def test_writing_without_waiting_works_off_every_item(framework):
    seen = []
    stream = framework.Stream(max_parallel=4)
    stream.each(seen.append)
    for item in range(20):
        stream.write(item)
    await turns()
    assert seen == list(range(20))


async def test_a_function_may_write_to_its_own_stream(framework):
    stream = framework.Stream()

    def count_down(item):
        stream.write(item - 1) if item else stream.end()
        return item

    numbers = stream.map(count_down)
    stream.write(5)
    assert await numbers.to_list() == [5, 4, 3, 2, 1, 0]


async def test_readers_that_come_before_the_items(framework):
    stream = framework.Stream()
    reads = [asyncio.ensure_future(stream.read()) for _ in range(4)]
    await turns()
    stream.write("a")
    stream.write("b")
    stream.end()
    assert await asyncio.gather(*reads) == ["a", "b", None, None]


async def test_the_end(framework):
    stream = framework.Stream()
    stream.end()
    assert await stream.read() is None
    with pytest.raises(pyfca.MultipleEnd):
        stream.end()
    with pytest.raises(pyfca.WriteAfterEnd):
        stream.write(1)


@pytest.mark.parametrize("name", ["map", "filter", "each"])
async def test_a_stream_has_one_consumer(framework, name):
    stream = framework.Stream()
    OPERATORS[name](stream)
    with pytest.raises(framework.StreamAlreadyConsumed):
        OPERATORS[name](stream)


async def test_a_read_that_is_given_up_takes_nothing(own):
    stream = streams.Stream()
    reads = [asyncio.ensure_future(stream.read()) for _ in range(2)]
    await turns()
    reads[0].cancel()
    stream.write(1)
    stream.write(2)
    reads[1].cancel()  # it has been given its item already, and did not see it
    await asyncio.wait(reads)
    stream.end()
    assert await stream.to_list() == [1, 2]


async def test_a_function_applies_to_all_that_was_not_read(own):
    stream = streams.Stream()
    for item in range(4):
        stream.write(item)
    assert await stream.read() == 0
    await turns()
    doubled = stream.map(lambda item: item * 2)
    stream.end()
    assert await doubled.to_list() == [2, 4, 6]


async def test_items_before_a_failure_can_be_read(own):
    tasks = []
    loop = asyncio.get_running_loop()
    loop.set_task_factory(
        lambda loop, coroutine, **options: tasks.append(asyncio.Task(coroutine, loop=loop, **options)) or tasks[-1]
    )
    try:
        for operator in (lambda item: 6 // (3 - item), lambda item: later(6 // (3 - item))):
            stream = streams.Stream.from_iterable(range(10)).map(operator)
            assert [await stream.read() for _ in range(3)] == [2, 3, 6]
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(stream.read(), 0.01)
            failed = [task for task in tasks if task.done() and not task.cancelled() and task.exception()]
            assert [(task.get_coro().__name__, type(task.exception())) for task in failed] == [
                ("_process", ZeroDivisionError)
            ]
            tasks.clear()
    finally:
        loop.set_task_factory(None)


@pytest.mark.parametrize("consume", [*SINKS[:2], lambda stream: stream.map(str).filter(len).to_list()])
async def test_the_event_loop_gets_its_turn_while_items_are_at_hand(consume, own):
    turns_taken = 0

    async def other():
        nonlocal turns_taken
        while True:
            await asyncio.sleep(0)
            turns_taken += 1

    stream = streams.Stream()
    task = asyncio.ensure_future(other())
    feeding = asyncio.ensure_future(stream._pyfca.feed(range(300_000)))
    await asyncio.sleep(0)
    stream.end()
    assert len(await consume(stream)) == 300_000
    assert turns_taken > 10
    task.cancel()
    await feeding
