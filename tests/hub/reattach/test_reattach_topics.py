"""Topics outlive a Hub that is killed: what nobody had read, and the places of those who write and read them."""

import asyncio
import io
import json
import random

import aiohttp
import pytest

from following import Following
from transform_hub.hub.reattach.ring import can_spool
from until import steady, until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_spool(), reason="this system can't keep topics")]

PROVIDES = """
import asyncio
provides = {"provides": "numbers", "contentType": "text/plain"}
async def run(context, input, count, name):
    finish = asyncio.Event()
    context.on("finish", lambda _: finish.set())
    for number in range(0, count, 7):
        yield "".join(f"{name} {each} {'x' * (each * 37 % 300)}\\n" for each in range(number, min(number + 7, count)))
        if number % 700 == 0:
            await asyncio.sleep(0.001)
    await finish.wait()
"""
REQUIRES = """
requires = {"requires": "numbers", "contentType": "text/plain"}
async def run(context, input, path):
    with open(path, "w", buffering=1) as file:
        async for line in input:
            file.write(line)
"""
REQUIRES_LATER = """
import asyncio
requires = {"requires": "numbers", "contentType": "text/plain"}
async def run(context, input, path):
    begin = asyncio.Event()
    context.on("begin", lambda _: begin.set())
    await begin.wait()
    with open(path, "w", buffering=1) as file:
        async for line in input:
            file.write(line)
"""
LONG = """
import asyncio
provides = {"provides": "long", "contentType": "text/plain"}
async def run(context, input, size):
    finish = asyncio.Event()
    context.on("finish", lambda _: finish.set())
    yield "short\\n" + "x" * size
    await finish.wait()
    yield "end\\nnext\\n"
"""
PLAIN = "text/plain"


async def topics(api):
    return {topic["topicName"]: topic for topic in (await api.get("/topics")).json}


async def first(api, path, count, **headers):
    """The first bytes of a stream, and where it says that they are."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.session.get(api.url + path, headers=headers) as answer:
        assert answer.status == 200
        return await answer.content.readexactly(count), answer.headers.get("x-stream-position")


async def test_what_a_topic_is_and_holds_is_there_again(sth):
    api = await sth.start("--reattach")
    await api.post("/topics", {"id": "declared", "content-type": "text/x-ndjson"})
    await api.post("/topic/lines", b"1\n2\n", content_type=PLAIN)
    await api.post("/topic/deleted", b"1\n2\n", content_type=PLAIN)
    await api.call("DELETE", "/topics/deleted")
    for number in range(3):
        await sth.kill()
        api = await sth.start("--reattach")
        there = await topics(api)
        assert {name: topic["contentType"] for name, topic in there.items()} == {
            "declared": "text/x-ndjson",
            "lines": PLAIN,
        }
        assert there["lines"]["held"] == 4 + 2 * number
        await api.post("/topic/lines", f"{number}\n", content_type=PLAIN)
    assert (await first(api, "/topic/lines", 10, content_type=PLAIN))[0] == b"1\n2\n0\n1\n2\n"
    # Until its reader has gone the Hub may not be sure that all has been taken.
    await api.until("/topics", lambda there: not any(topic["readers"] for topic in there))
    await sth.kill()
    api = await sth.start("--reattach")
    assert (await topics(api))["lines"]["held"] == 0
    await sth.end()
    api = await sth.start("--reattach")
    assert await topics(api) == {}


async def test_a_reader_goes_on_at_a_position(sth):
    api = await sth.start("--reattach")
    await api.post("/topic/lines", b"0123456789\n", content_type=PLAIN)
    assert await first(api, "/topic/lines", 5, content_type=PLAIN) == (b"01234", "0")
    await sth.kill()
    api = await sth.start("--reattach")
    assert await first(api, "/topic/lines", 6, content_type=PLAIN, x_stream_position="5") == (b"56789\n", "5")


@pytest.mark.parametrize("size", [300_000, 3_000_000])
async def test_items_longer_than_the_memory_of_a_topic(sth, size):
    api = await sth.start("--reattach")
    items = [b"%d" % number * size + b"\n" for number in range(3)]
    for number, item in enumerate(items[:2]):
        sending = asyncio.ensure_future(api.post("/topic/lines", io.BytesIO(item), content_type=PLAIN))
        if number == 0 or size < 500_000:
            assert (await sending).status == 200
    await sth.kill()
    await asyncio.wait({sending})
    api = await sth.start("--reattach")
    held = (await topics(api))["lines"]["held"]
    assert held % (size + 1) == 0
    data, _ = await first(api, "/topic/lines", held, content_type=PLAIN)
    assert data == b"".join(items)[:held]
    await api.post("/topic/lines", b"short\n", content_type=PLAIN)
    assert (await first(api, "/topic/lines", 6, content_type=PLAIN))[0] == b"short\n"
    await api.post("/topic/lines", io.BytesIO(items[2]), content_type=PLAIN)
    assert (await first(api, "/topic/lines", size + 1, content_type=PLAIN))[0] == items[2]


@pytest.mark.parametrize(("count", "kills"), [(30_000, 8)])
async def test_lines_between_instances_come_once_through_all_kills(sth, package, tmp_path, count, kills):
    chance = random.Random(1)
    api = await sth.start("--reattach")
    reads, writes = await api.send(package(REQUIRES, name="reads")), await api.send(package(PROVIDES, name="writes"))
    paths = [tmp_path / "first", tmp_path / "second"]
    for path in paths:
        await api.start(reads, args=[str(path)])
    writers = [await api.start(writes, args=[count, name]) for name in "ab"]
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(0, 0.15))
        await sth.kill()
        api = await sth.start("--reattach", port=sth.port)
    expected = {name: [f"{name} {each} {'x' * (each * 37 % 300)}" for each in range(count)] for name in "ab"}
    size = sum(len(line) + 1 for lines in expected.values() for line in lines)
    await until(lambda: all(path.stat().st_size >= size for path in paths))
    for path in paths:
        lines = path.read_text().splitlines()
        assert len(lines) == 2 * count
        for name in "ab":
            assert [line for line in lines if line[0] == name] == expected[name], path
    for writer in writers:
        await api.post(f"{writer}/_event", [5001, {"eventName": "finish"}])
        assert (await api.ended(writer))["terminated"]["exitcode"] == 0


async def test_output_goes_to_a_topic_and_to_a_reader_through_all_kills(sth, package, tmp_path):
    api, count, path = await sth.start("--reattach"), 60_000, tmp_path / "read"
    await api.start(await api.send(package(REQUIRES, name="reads")), args=[str(path)])
    instance = await api.start(await api.send(package(PROVIDES, name="writes")), args=[count, "a"])
    expected = "".join(f"a {each} {'x' * (each * 37 % 300)}\n" for each in range(count)).encode()
    output = Following(sth, f"{instance}/output")
    reading = asyncio.ensure_future(output.run())
    for _ in range(4):
        more = min(len(output.data) + 500_000, len(expected))  # all of it may be there already
        await until(lambda more=more: len(output.data) >= more)
        await sth.kill()
        api = await sth.start("--reattach", port=sth.port)
    await until(lambda: path.stat().st_size >= len(expected) and len(output.data) >= len(expected))
    await api.post(f"{instance}/_event", [5001, {"eventName": "finish"}])
    await reading
    assert output.missed == 0
    assert output.data == expected
    assert path.read_bytes() == expected


async def test_a_reader_that_is_ahead_of_a_topic_leaves_what_the_topic_has_not_got(sth, package, tmp_path):
    api, count, path = await sth.start("--reattach"), 60_000, tmp_path / "read"
    reads = await api.start(await api.send(package(REQUIRES_LATER, name="reads")), args=[str(path)])
    instance = await api.start(await api.send(package(PROVIDES, name="writes")), args=[count, "a"])
    expected = "".join(f"a {each} {'x' * (each * 37 % 300)}\n" for each in range(count)).encode()
    output = Following(sth, f"{instance}/output")
    reading = asyncio.ensure_future(output.run())
    for number in range(3):
        await until(steady(lambda number=number: output.connections > number and len(output.data), looks=100))
        assert len(output.data) < len(expected)  # the topic holds it
        await sth.kill()
        api = await sth.start("--reattach", port=sth.port)
    await api.post(f"{reads}/_event", [5001, {"eventName": "begin"}])
    await until(lambda: path.exists() and path.stat().st_size >= len(expected) and len(output.data) >= len(expected))
    await api.post(f"{instance}/_event", [5001, {"eventName": "finish"}])
    await reading
    assert output.data == path.read_bytes() == expected


async def test_a_line_that_an_instance_has_begun_goes_on(sth, package):
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(LONG)), args=[200_000])
    await api.until(f"{instance}/health", lambda health: health["traffic"]["output"] == 200_006)
    await sth.kill()
    api = await sth.start("--reattach")
    await api.post(f"{instance}/_event", [5001, {"eventName": "finish"}])
    wanted = b"short\n" + b"x" * 200_000 + b"end\nnext\n"
    assert (await first(api, "/topic/long", len(wanted), content_type=PLAIN))[0] == wanted


async def test_a_begun_line_that_can_not_be_kept_is_dropped_and_told(sth, package):
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(LONG)), args=[5_000_000])
    await api.until(f"{instance}/health", lambda health: health["traffic"]["output"] == 5_000_006)
    await sth.kill()
    api = await sth.start("--reattach")
    await api.post(f"{instance}/_event", [5001, {"eventName": "finish"}])
    assert (await first(api, "/topic/long", 11, content_type=PLAIN))[0] == b"short\nnext\n"
    told = ""
    async with api.session.get(f"{api.url}{instance}/log") as answer:
        while "did not outlive the Hub: a line for topic long that long is dropped" not in told:
            told = json.loads(await answer.content.readline())["msg"]


async def test_requests_to_a_topic_that_were_answered_are_in_it(sth):
    api = await sth.start("--reattach")
    answered = []

    async def send(number):
        while True:
            name = f"{number}-{len(answered)}-{random.random()}\n"
            try:
                answer = await api.post("/topic/lines", name, content_type=PLAIN)
            except aiohttp.ClientError:
                return
            assert answer.status == 200
            answered.append(name.encode())

    for _ in range(3):
        sending = [asyncio.ensure_future(send(number)) for number in range(4)]
        await until(lambda: len(answered) % 10 == 9)
        await sth.kill()
        await asyncio.wait(sending)
        api = await sth.start("--reattach")
    held = (await topics(api))["lines"]["held"]
    lines = (await first(api, "/topic/lines", held, content_type=PLAIN))[0].splitlines(keepends=True)
    assert len({*lines}) == len(lines)
    assert {*answered} <= {*lines}
