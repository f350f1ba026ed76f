"""Unit tests of Sequences: ``FakeContext`` and ``input_of`` do what a runner does, without a Hub."""

import asyncio
import gc

import pytest

from transform_hub import Context, Input, Stream
from transform_hub.testing import FakeContext, input_of


async def test_an_input_has_the_operators_of_a_runner():
    assert await input_of("one\n", "two\n").map(str.upper).to_list() == ["ONE\n", "TWO\n"]
    assert await input_of(1, 2, 3, None).batch(2).to_list() == [[1, 2], [3, None]]
    assert await input_of(b"a", b"b").window(count=2, seconds=60).to_list() == [[b"a", b"b"]]
    assert await asyncio.wait_for(anext(input_of("x")), 10) == "x"
    assert isinstance(input_of("x"), Input)
    assert await Stream.read_from(range(3)).map(lambda number: number * 2).to_list() == [0, 2, 4]


async def test_all_kinds_of_run():
    async def generator(context, input, mark):
        async for line in input:
            yield line + mark

    def stream(context, input):
        return input.map(len).filter(lambda size: size > 1)

    async def value(context, input):
        return await input.reduce(lambda total, number: total + number, 0)

    context = FakeContext()
    assert [item async for item in generator(context, input_of("a", "b"), "!")] == ["a!", "b!"]
    assert await stream(context, input_of("a", "bc")).to_list() == [2]
    assert await value(context, input_of(1, 2, 3)) == 6


def fails(item):
    raise ValueError(f"no {item}")


async def fails_later(item):
    await asyncio.sleep(0)
    raise ValueError(f"no {item}")


@pytest.mark.parametrize("function", [fails, fails_later])
@pytest.mark.parametrize(
    "read",
    [
        lambda stream, function: stream.map(function).to_list(),
        lambda stream, function: anext(stream.map(function)),
        lambda stream, function: stream.filter(function).map(str).batch(2).to_list(),
        lambda stream, function: stream.flatmap(function).to_list(),
        lambda stream, function: stream.each(function).reduce(max),
    ],
    ids=["map", "anext", "filter", "flatmap", "each"],
)
@pytest.mark.parametrize("source", [input_of, lambda *items: Stream.read_from(items)], ids=["input", "stream"])
async def test_a_function_that_fails_fails_the_reader(source, read, function):
    FakeContext()
    with pytest.raises(ValueError, match="no one"):
        await asyncio.wait_for(read(source("one", "two"), function), 60)


async def test_an_iterable_that_fails_fails_the_reader():
    def items():
        yield 1
        raise ValueError("broken")

    FakeContext()
    with pytest.raises(ValueError, match="broken"):
        await asyncio.wait_for(Input.read_from(items()).to_list(), 60)


def test_what_goes_to_the_hub_is_kept(caplog):
    context = FakeContext({"count": 5}, instance_id="mine")
    assert isinstance(context, Context)
    context.emit("done", {"lines": {1}})
    context.emit("bare")
    context.logger.info("begun with %d", context.config["count"])
    context.logger.warning("odd")
    assert context.events == [("done", {"lines": [1]}), ("bare", "")]
    assert context.log == [("INFO", "begun with 5"), ("WARN", "odd")]
    assert context.instance_id == "mine"
    assert "odd" in caplog.text
    with pytest.raises(TypeError):
        context.emit("done", object())
    with pytest.raises(RuntimeError, match="hub="):
        _ = context.hub
    assert FakeContext(hub="a client").hub == "a client"
    assert FakeContext().log == []


async def test_events():
    context, seen = FakeContext(), []

    @context.on("scale")
    async def scale(message):
        seen.append((message, context.event_source))

    context.on("scale", lambda message: 1 / 0)
    await context.fire("scale", 5)
    await context.fire("scale", 6, source="another")
    await context.fire("nothing")
    assert seen == [(5, "api"), (6, "another")]
    assert context.event_source is None
    assert [level for level, _ in context.log] == ["ERROR", "ERROR"]


async def test_stop_kill_and_health():
    context, seen = FakeContext(), []

    async def on_stop(timeout, can_keep_alive):
        seen.append(timeout)
        if can_keep_alive:
            await context.keep_alive(1000)

    context.set_stop_handler(on_stop)
    context.add_stop_handler(lambda: seen.append("second"))
    context.add_kill_handler(lambda: seen.append("killed"))
    assert await context.stop(2.5, can_keep_alive=True)
    assert not await context.stop()
    await context.kill()
    assert seen == [2.5, "second", 7.0, "second", "killed"]
    assert context.kept_alive == [1000]

    assert await context.get_health() == {"healthy": True}
    context.set_health_check(lambda: {"lines": 5})
    context.add_monitoring_handler(lambda: False)
    assert await context.get_health() == {"healthy": False, "lines": 5}


def test_a_context_has_secrets_and_places_to_write(tmp_path):
    context = FakeContext(secrets={"KEY": "x"}, cache_dir=tmp_path)
    assert context.secrets["KEY"] == "x"
    assert context.cache_dir == tmp_path
    (context.data_dir / "state").write_text("1")
    folder = context.data_dir
    del context
    gc.collect()
    assert not folder.exists()
    assert tmp_path.exists()


async def test_keep_alive_need_not_be_awaited():
    context = FakeContext()
    context.set_stop_handler(lambda: context.keep_alive(5) and None)
    assert await context.stop(can_keep_alive=True)
    await context.keep_alive(600)
    assert context.kept_alive == [5, 600]
