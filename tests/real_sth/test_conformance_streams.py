"""An Instance's streams, in both directions."""

import asyncio
import contextlib
import gzip
import json
import random

import pytest

from transform_hub.errors import HubError

NDJSON = "application/x-ndjson"


async def first(items, count):
    """The first items of a stream, which is closed then."""
    async with contextlib.aclosing(items):
        return [await anext(items) for _ in range(count)]


async def test_input_and_output(start):
    instance = await start("map", args=[0.5])
    await instance.send_input('{"price": 10}\n{"price": 3}\n', content_type=NDJSON)
    assert [item async for item in instance.get_output().json()] == [
        {"price": 10, "gross": 15}, {"price": 3, "gross": 4.5},
    ]  # fmt: skip


async def test_a_conversation(start):
    instance = await start("map", args=[0])
    async with instance.open_input(NDJSON) as writer, instance.get_output() as output:
        answers = output.json()
        for price in range(20):
            await writer.write(b'{"price": %d}\n' % price)
            assert (await anext(answers))["gross"] == price
        await writer.close()
        assert [answer async for answer in answers] == []


async def test_an_idle_writer_is_open(start):
    """The head of the request reaches the Hub before there is a body."""
    instance = await start("map")
    async with instance.open_input(NDJSON), instance.get_output() as output:
        reading = asyncio.ensure_future(output.read())
        await asyncio.wait({reading}, timeout=0.2)
        assert not reading.done()
        reading.cancel()


async def test_input_in_parts(start):
    instance = await start("map", args=[0])
    await instance.send_input('{"price": 1}\n', content_type=NDJSON, end=False)
    await instance.send_input('{"price": 2}\n', content_type=NDJSON, end=False)
    await instance.send_input('{"price": 3}\n', content_type=NDJSON, end=True)
    assert [item["price"] async for item in instance.get_output().json()] == [1, 2, 3]


async def test_much_text(start):
    lines = [json.dumps({"price": number, "name": "ż" * 100}) + "\n" for number in range(50_000)]
    instance = await start("map", args=[0])
    sending = asyncio.create_task(instance.send_input("".join(lines), content_type=NDJSON))
    assert [item["price"] async for item in instance.get_output().json()] == list(range(50_000))
    await sending


@pytest.mark.beyond("binary output")
@pytest.mark.parametrize("size", [0, 1, 100_000, 20_000_000])
async def test_bytes(start, size):
    data = random.Random(size).randbytes(size)
    instance = await start("gzip")
    _, packed = await asyncio.gather(instance.send_input(data), instance.get_output().read())
    assert gzip.decompress(packed) == data


@pytest.mark.beyond("binary output")
async def test_a_file(start, tmp_path):
    (tmp_path / "file").write_bytes(b"\x00\xff\n" * 5000)
    instance = await start("gzip")
    await instance.send_input(tmp_path / "file")
    assert gzip.decompress(await instance.get_output().read()) == b"\x00\xff\n" * 5000


async def test_standard_streams(start):
    instance = await start("standard-streams")
    async with instance.open_stdin() as stdin:
        await stdin.write("one\n")
        await stdin.write("zwölf\n")
    assert await first(instance.get_stdout().lines(), 2) == ["ONE", "ZWÖLF"]
    assert await first(instance.get_stderr().lines(), 1) == ["2 lines"]


async def test_log(start):
    instance = await start("events")
    async with contextlib.aclosing(instance.get_log().json()) as entries:
        async for entry in entries:
            if entry["msg"] == "Waiting for events":
                break
    assert entry["level"] == "INFO"


async def test_readers_at_the_same_time_each_get_everything(start):
    instance = await start("map", args=[0])
    async with instance.get_output() as one, instance.get_output() as other:
        await instance.send_input('{"price": 7}\n' * 1000, content_type=NDJSON)
        both = await asyncio.gather(one.read(), other.read())
    assert both[0] == both[1]
    assert both[0].count(b"\n") == 1000


async def test_a_reader_that_leaves_does_not_end_an_endless_output(start):
    instance = await start("endless")
    assert await first(instance.get_output().lines(), 1000) == [str(number) for number in range(1, 1001)]
    later = await first(instance.get_output().lines(), 1000)
    # What was on its way to the reader that left is lost, and a line with it; then it goes on without gaps.
    assert int(later[-1]) - int(later[1]) == len(later) - 2


async def test_many_streams_and_a_call(start, host):
    instance = await start("events")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(50):
            await stack.enter_async_context(instance.get_output())
        assert (await instance.get_health()).healthy is True


async def test_input_to_an_instance_that_ends_is_no_hang(start):
    instance = await start("exception")
    with contextlib.suppress(HubError):
        await instance.send_input("-1\n", content_type=NDJSON)
    assert await instance.get_output().read() == b""


@pytest.mark.beyond("inout")
async def test_inout(start):
    instance = await start("map", args=[0])
    async with instance.inout(NDJSON) as both:
        await both.write('{"price": 1}\n')
        assert await first(both.json(), 1) == [{"price": 1, "gross": 1}]
