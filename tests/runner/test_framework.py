"""The private names of scramjet-framework-py that the runner relies on, one test each, in the framework as it comes."""

import asyncio
import importlib.util

import pytest
from scramjet import streams


@pytest.fixture
def framework():
    """A copy of the module of Streams that no runner has changed."""
    spec = importlib.util.spec_from_file_location("scramjet_as_it_comes", streams.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_pyfca_is_the_engine_that_a_stream_makes_and_its_derived_streams_share(framework, monkeypatch):
    engine = framework.Pyfca

    class Engine(engine):
        pass

    monkeypatch.setattr(framework, "Pyfca", Engine)
    stream = framework.Stream(max_parallel=3)
    assert type(stream._pyfca) is Engine
    assert stream._pyfca.max_parallel == 3
    assert framework.StringStream(upstream=stream, origin=stream, name="derived")._pyfca is stream._pyfca


async def test_origin_is_the_stream_that_write_writes_to(framework):
    stream = framework.Stream()
    derived = stream.map(str)
    assert derived._origin is stream._origin is stream
    batched = derived.batch(len)
    assert batched._origin is stream
    batched.write(5)
    stream.end()
    assert await batched.to_list() == [["5"]]


async def test_mark_consumed_refuses_a_second_use(framework):
    stream = framework.Stream()
    stream._mark_consumed()
    with pytest.raises(framework.StreamAlreadyConsumed):
        stream._mark_consumed()
    with pytest.raises(framework.StreamAlreadyConsumed):
        await stream.read()


async def test_uncork_starts_the_source_of_a_derived_stream(framework):
    started = asyncio.Event()

    async def source():
        started.set()
        yield 1

    stream = framework.Stream.from_iterable(source()).map(str)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not started.is_set()
    stream._uncork()
    await asyncio.wait_for(started.wait(), 30)


async def test_a_source_is_read_by_a_task_called_consume(framework):
    tasks = set(asyncio.all_tasks())
    framework.Stream.from_iterable([1])
    (task,) = asyncio.all_tasks() - tasks
    code = task.get_coro().cr_code
    assert (code.co_filename, code.co_name) == (framework.__file__, "consume")
    task.cancel()


async def test_sinks_and_uid_name_the_task_that_unpipe_ends(framework):
    source, target = framework.Stream(), framework.Stream()
    source.pipe(target)
    assert source._sinks == [target]
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == f"{source._uid}-pipe-consumer"]
    source.unpipe(target)
    await asyncio.wait({task})
    assert task.cancelled()


def test_debug_and_tr_word_the_messages_of_log(framework):
    assert framework.DEBUG is False
    assert framework.tr("x" * 1000)
