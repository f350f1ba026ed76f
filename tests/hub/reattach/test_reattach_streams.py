"""What Instances write is neither lost nor doubled when their Hub is killed at any moment, while data flows."""

import asyncio
import json
import random

import pytest

from following import Following
from transform_hub.hub.channels.memory import UNREAD_LIMIT
from transform_hub.hub.reattach.ring import CHUNK, can_spool
from until import until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_spool(), reason="this system can't keep streams")]

LINE = 64
"""Bytes of a numbered line."""

NUMBERS = f"""
import asyncio, os, sys, threading
def line(number):
    return f"{{number:0{LINE - 1}}}\\n"
def write(descriptor, count):
    with open(descriptor, "w", closefd=False, buffering=1000) as file:
        for number in range(count):
            file.write(line(number))
async def run(context, input, count, wait):
    finish = asyncio.Event()
    context.on("finish", lambda _: finish.set())
    threads = [threading.Thread(target=write, args=(each, count)) for each in (1, 2)]
    for thread in threads:
        thread.start()
    for number in range(0, count, 50):
        yield "".join(map(line, range(number, number + 50)))
        if number % 5000 == 0:
            await asyncio.sleep(0.001)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    if wait:
        await finish.wait()
"""


def expected(count):
    return b"".join(b"%0*d\n" % (LINE - 1, number) for number in range(count))


@pytest.mark.parametrize(("count", "kills"), [(300_000, 8)])
async def test_lines_come_once_through_all_kills(sth, package, count, kills):
    chance = random.Random(1)
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(NUMBERS)), args=[count, True])
    followed = [Following(sth, f"{instance}/{name}") for name in ("output", "stdout", "stderr")]
    tasks = [asyncio.ensure_future(each.run()) for each in followed]
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(0, 0.3))
        await sth.kill()
        api = await sth.start("--reattach", port=sth.port)
    await api.post(f"{instance}/_event", [5001, {"eventName": "finish"}])
    await asyncio.gather(*tasks)
    for each in followed:
        assert each.missed == 0
        assert each.data == expected(count), each.path
    assert max(each.connections for each in followed) > 1
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0


async def test_what_nobody_has_read_waits_for_the_next_hub(sth, package):
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(NUMBERS)), args=[100_000, False])
    for _ in range(7):  # each takes a little more of the runner
        await sth.kill()
        api = await sth.start("--reattach")
    outputs = [api.read(f"{instance}/{name}") for name in ("output", "stdout", "stderr")]
    assert await asyncio.gather(*outputs) == [expected(100_000)] * 3


async def test_a_reader_goes_on_at_a_position(sth, package):
    api = await sth.start("--reattach")
    source = "async def run(context, input):\n    async for line in input:\n        yield line\n"
    instance = await api.start(await api.send(package(source)))
    await api.input(instance, "0123456789\nabcdefghij\n")
    assert await api.read(f"{instance}/output") == b"0123456789\nabcdefghij\n"
    for position in (0, 5, 11, 22):
        answer = await api.get(f"{instance}/output", x_stream_position=str(position))
        assert answer.headers["x-stream-position"] == str(position)
        assert answer.body == b"0123456789\nabcdefghij\n"[position:]
    assert (await api.get(f"{instance}/output", x_stream_position="99")).headers["x-stream-position"] == "22"
    assert (await api.get(f"{instance}/output", x_stream_position="-1")).status == 400
    assert (await api.get(f"{instance}/output")).body == b""


async def test_bytes_that_are_no_longer_kept_are_told(sth, package):
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(NUMBERS)), args=[100_000, False])
    whole, *_ = await asyncio.gather(*(api.read(f"{instance}/{name}") for name in ("output", "stdout", "stderr")))
    answer = await api.get(f"{instance}/output", x_stream_position="1")
    begins = int(answer.headers["x-stream-position"])
    assert begins > 1
    assert answer.body == whole[begins:]
    assert len(answer.body) > 512 * 1024


PRINTS = f"""
import asyncio
def write(count):
    for number in range(count):
        print(f"{{number:0{LINE - 1}}}")
async def run(context, input, count):
    await asyncio.to_thread(write, count)
    yield "done"
"""


@pytest.mark.parametrize("options", [(), ("--unread-limit", 2)])
async def test_what_was_dropped_is_told_once_though_hubs_are_killed(options, sth, package):
    """The Sequence goes on with each Hub; the limit is that of the first, or less."""
    api = await sth.start("--reattach", *options)
    count = 1_000_000
    instance = await api.start(await api.send(package(PRINTS)), args=[count])
    carried = 0
    for _ in range(4):
        more = carried + UNREAD_LIMIT
        health = await api.until(f"{instance}/health", lambda health, more=more: health["traffic"]["stdout"] > more)
        carried = health["traffic"]["stdout"]
        await sth.kill()
        api = await sth.start("--reattach")
    assert await api.read(f"{instance}/output") == b"done"
    await api.ended(instance)
    limit = 2 * 1024 * 1024 if options else UNREAD_LIMIT
    begin = count * LINE - limit
    answer = await api.get(f"{instance}/stdout")
    assert answer.headers["x-stream-position"] == str(begin)
    assert answer.body == expected(count)[begin:]
    entries = [json.loads(line) for line in (await api.read(f"{instance}/log")).splitlines()]
    told = [entry["msg"] for entry in entries if "dropped" in entry["msg"]]
    assert told == [f"The oldest {begin} bytes of stdout that nobody read were dropped"]


async def test_a_reader_that_was_there_before_the_kill_goes_on_without_a_gap(sth, package):
    api = await sth.start("--reattach")
    count = 1_000_000
    instance = await api.start(await api.send(package(PRINTS)), args=[count])
    stdout = Following(sth, f"{instance}/stdout")
    reading = asyncio.ensure_future(stdout.run())
    for _ in range(4):
        more = len(stdout.data) + 4 * CHUNK
        await until(lambda more=more: len(stdout.data) > more or reading.done())
        await sth.kill()
        api = await sth.start("--reattach", port=sth.port)
    await reading
    assert stdout.missed == 0
    assert stdout.data == expected(count)
    assert b"dropped" not in await api.read(f"{instance}/log")
