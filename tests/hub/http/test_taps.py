"""Taps over the API: a copy that takes nothing, holds nobody, and ends without its end where bytes were missed."""

import asyncio
import io

import aiohttp
import pytest

from transform_hub.hub.reattach.ring import can_spool
from transform_hub.hub.server import serve
from transform_hub.models.rules import BINARY, NDJSON

TEE = """
import sys
async def run(context, input):
    async for line in input:
        print(line, end="", flush=True)
        print(line, end="", file=sys.stderr, flush=True)
        yield line
"""
COUNT = """
async def run(context, input, lines):
    for number in range(lines):
        yield f"{number:099d}\\n"
"""


@pytest.fixture(params=[False, True], ids=["memory", "reattach"])
async def hub(request, tmp_path):
    if request.param and not can_spool():
        pytest.skip("this system can't keep streams")
    async with serve(data_dir=tmp_path, retention_ms=60_000, reattach=request.param) as running:
        yield running


def tap(api, path, **headers):
    return api.session.get(f"{api.url}{path}?tap=true", headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("stream", ["output", "stdout", "stderr"])
async def test_a_tap_is_a_copy_from_now_on(stream, api, package):
    instance = await api.start(await api.send(package(TEE)))
    await api.input(instance, b"before\n", x_end_stream="false")
    async with api.session.get(f"{api.url}{instance}/{stream}") as reader:
        assert await reader.content.readline() == b"before\n"
        async with tap(api, f"{instance}/{stream}") as copy, tap(api, f"{instance}/{stream}") as other:
            assert copy.headers["X-Stream-Position"] == "7"
            await api.input(instance, b"after\n")
            for each in (copy, other, reader):
                assert await each.content.read() == b"after\n"


async def test_a_tap_takes_nothing_from_who_comes_later(api, package):
    instance = await api.start(await api.send(package(TEE)))
    async with tap(api, f"{instance}/output") as copy:
        await api.input(instance, b"one\ntwo\n")
        assert await copy.content.read() == b"one\ntwo\n"
    await api.ended(instance)
    assert await api.read(f"{instance}/output") == b"one\ntwo\n"


async def test_a_tap_may_begin_where_another_was(api, package):
    instance = await api.start(await api.send(package(TEE)))
    await api.input(instance, b"0123456789\n")
    await api.ended(instance)
    async with tap(api, f"{instance}/output", x_stream_position="5") as copy:
        assert copy.headers["X-Stream-Position"] == "5"
        assert await copy.content.read() == b"56789\n"
    assert (await api.get(f"{instance}/output?tap=perhaps")).status == 400


async def test_a_tap_that_reads_nothing_holds_nobody_and_learns_of_its_gap(api, package):
    size = 100 * 600_000
    instance = await api.start(await api.send(package(COUNT)), args=[size // 100])
    async with tap(api, f"{instance}/output") as copy:
        begin = int(copy.headers["X-Stream-Position"])
        data = await api.read(f"{instance}/output")  # all of it, though the tap stands still
        assert len(data) == size
        seen = b""
        with pytest.raises(aiohttp.ClientPayloadError):
            while piece := await copy.content.readany():
                seen += piece
        position = begin + len(seen)
        assert seen == data[begin:position]
    async with tap(api, f"{instance}/output", x_stream_position=str(position)) as again:
        goes_on = int(again.headers["X-Stream-Position"])
        assert position < goes_on < size
        assert await again.content.read() == data[goes_on:]


async def test_a_tap_of_a_topic(api):
    reading = api.session.get(f"{api.url}/topic/t", headers={"content-type": NDJSON})
    async with reading as reader, tap(api, "/topic/t", content_type=NDJSON) as copy:
        await api.post("/topic/t", b"1\n", content_type=NDJSON)
        assert await copy.content.readline() == await reader.content.readline() == b"1\n"
        [listed] = (await api.get("/topics")).json
        assert (listed["readers"], listed["held"]) == (1, 0)


async def test_a_tap_alone_leaves_a_topic_to_its_readers(api):
    async with tap(api, "/topic/t", content_type=BINARY) as copy:
        sending = asyncio.ensure_future(api.post("/topic/t", io.BytesIO(bytes(3 << 20)), content_type=BINARY))
        assert await copy.content.readexactly(1 << 20) == bytes(1 << 20)
        while (await api.get("/topics")).json[0]["waiting"] != 1:  # the topic is full: nobody has taken anything
            await asyncio.sleep(0.005)
        async with api.session.get(f"{api.url}/topic/t", headers={"content-type": BINARY}) as reader:
            assert await reader.content.readexactly(3 << 20) == bytes(3 << 20)
            assert (await sending).status == 200


@pytest.mark.parametrize(("query", "headers"), [("?tap=yes", {}), ("", {"x_stream_position": "-1"})])
async def test_a_refused_reader_creates_no_topic(query, headers, api):
    assert (await api.get(f"/topic/t{query}", **headers)).status == 400
    assert (await api.get("/topics")).json == []
