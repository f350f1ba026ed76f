"""Where the input of an Instance is, and going on there."""

import asyncio

import aiohttp
import pytest

from transform_hub.hub.reattach.ring import can_spool
from transform_hub.hub.server import serve

ECHO = """
async def run(context, input):
    async for line in input:
        yield line
"""
WAITS = """
import asyncio
async def run(context, input):
    await asyncio.sleep(1000)
"""
POSITION = "x-stream-position"


@pytest.fixture(params=[False, True], ids=["plain", "reattach"])
async def hub(request, tmp_path):
    if request.param and not can_spool():
        pytest.skip("this system can't keep positions")
    async with serve(data_dir=tmp_path / "hub", reattach=request.param, retention_ms=60_000) as running:
        yield running


async def test_the_position_is_told(api, package):
    instance = await api.start(await api.send(package(ECHO)))
    answer = await api.get(f"{instance}/input")
    assert (answer.json, answer.headers[POSITION]) == ({"position": 0, "ended": False}, "0")
    assert (await api.input(instance, "four\n", x_end_stream="false")).headers[POSITION] == "0"
    assert (await api.get(f"{instance}/input")).json == {"position": 5, "ended": False}
    assert (await api.call("HEAD", f"{instance}/input")).headers[POSITION] == "5"
    assert (await api.get(f"{instance}/stdin")).json == {"position": 0, "ended": False}
    assert (await api.get(f"{instance}/health")).json["traffic"]["input"] == 5
    await api.input(instance, "")
    assert (await api.get(f"{instance}/input")).json == {"position": 5, "ended": True}
    await api.ended(instance)
    assert (await api.get(f"{instance}/input")).json == {"position": 5, "ended": True}


async def test_only_who_is_at_the_position_goes_on(api, package):
    instance = await api.start(await api.send(package(ECHO)))
    assert (await api.input(instance, "one\n", x_end_stream="false", x_stream_position="0")).status == 202
    for position in ("0", "3", "5", "99999999999999999999"):
        answer = await api.input(instance, "x", x_stream_position=position)
        assert (answer.status, answer.headers[POSITION]) == (409, "4")
        assert answer.json == {"error": "The input of this Instance is at byte 4"}
    for position in ("-1", "", "four", "\N{SUPERSCRIPT TWO}"):
        assert (await api.input(instance, "x", x_stream_position=position)).status == 400
    assert (await api.input(instance, "two\n", x_stream_position="4")).status == 200
    answer = await api.input(instance, "x", x_stream_position="8")
    assert (answer.status, answer.headers[POSITION]) == (409, "8")
    assert await api.read(f"{instance}/output") == b"one\ntwo\n"


async def test_a_position_that_is_refused_changes_nothing(api, package):
    instance = await api.start(await api.send(package(ECHO)))
    assert (await api.input(instance, "x", "application/x-ndjson", x_stream_position="1")).status == 409
    await api.input(instance, "no JSON\n")
    assert await api.read(f"{instance}/output") == b"no JSON\n"


async def test_who_goes_on_takes_the_place_of_a_sender_that_hangs(api, package):
    async def body():
        while True:
            yield b"x" * 100_000

    instance = await api.start(await api.send(package(WAITS)))
    hangs = asyncio.ensure_future(api.input(instance, body(), x_end_stream="false"))
    position = "0"
    while position == "0":
        position = (await api.get(f"{instance}/input")).headers[POSITION]
    while (answer := await api.input(instance, "", x_end_stream="false", x_stream_position=position)).status != 202:
        position = answer.headers[POSITION]
    with pytest.raises(aiohttp.ClientError):
        await hangs
    assert (await api.get(f"{instance}/input")).headers[POSITION] == position
    await api.post(f"{instance}/_kill", {})


async def test_the_input_of_another_run_begins_anew(api, package):
    source = "import sys\nasync def run(context, input):\n    async for line in input:\n        sys.exit(1)\n"
    instance = await api.start(await api.send(package(source)), restart="on-failure")
    await api.input(instance, "line\n", x_end_stream="false")
    await api.restarted(instance, 1)
    assert (await api.get(f"{instance}/input")).json == {"position": 0, "ended": False}
    assert (await api.input(instance, "x", x_stream_position="5")).headers[POSITION] == "0"
    await api.post(f"{instance}/_kill", {})
