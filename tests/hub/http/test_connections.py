"""What one client may cost: connections, heads of requests that do not end, bodies of JSON, Instances."""

import asyncio
import contextlib
import json

import aiohttp
import pytest

from transform_hub.hub.http import connections
from transform_hub.hub.http import json as json_bodies
from transform_hub.hub.server import serve
from until import until

WAIT = "async def run(context, input):\n    async for _ in input: pass"


@contextlib.asynccontextmanager
async def connection(hub):
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ask(reader, writer):
    """Status of an answer to a whole request."""
    writer.write(b"GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    await reader.readexactly(int(length.partition(b":")[2]))
    return int(head.split()[1])


async def test_connections_are_limited(tmp_path):
    async with serve(data_dir=tmp_path, max_connections=2) as hub, connection(hub) as first:
        assert await ask(*first) == 200
        async with connection(hub) as second:
            assert await ask(*second) == 200
            async with connection(hub) as third:
                answer = await third[0].read()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert "Connection limit" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
            assert await ask(*first) == 200
        await until(lambda: not hub.listener._runner.server.is_full)
        async with connection(hub) as fourth:
            assert await ask(*fourth) == 200


@pytest.mark.parametrize("begun", [b"", b"GET", b"GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_head_that_does_not_come_is_not_waited_for(hub, monkeypatch, begun):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.05)
    async with connection(hub) as (reader, writer):
        writer.write(begun)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert "head of the request" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


async def test_that_holds_for_later_requests_too(hub, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.05)
    async with connection(hub) as (reader, writer):
        assert await ask(reader, writer) == 200
        writer.write(b"GET /api")
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


GET = b"GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/v1/topics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
OF_LENGTH = POST + b"Content-Length: 2\r\n\r\n{}"
OF_CHUNKS = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


def pieces(whole, size):
    return [whole[begin : begin + size] for begin in range(0, len(whole), size)]


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("request_before", [GET, OF_LENGTH, OF_CHUNKS, GET * 2])
@pytest.mark.parametrize("half", [b"G", GET[:-1], GET[:-2]])
async def test_half_a_head_behind_a_request_is_not_waited_for(hub, monkeypatch, request_before, half, size):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.05)
    async with connection(hub) as (reader, writer):
        for piece in pieces(request_before + half, size):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        assert b"HTTP/1.1 408 " in await reader.read()


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "whole", [GET, OF_LENGTH, OF_CHUNKS, GET * 2, GET * 50, OF_LENGTH + GET, OF_CHUNKS + OF_LENGTH]
)
async def test_who_has_sent_whole_requests_may_be_idle(hub, monkeypatch, whole, size):
    async with connection(hub) as (reader, writer):
        for piece in pieces(whole, size):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        for _ in range(whole.count(b"HTTP/1.1")):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.split()[1] in (b"200", b"400")
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
        (connected,) = hub.listener._runner.server.connections
        assert connected._late is None


async def test_half_a_head_behind_a_stream_is_waited_for_until_it_has_ended(hub, api, package, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.05)
    instance = await api.start(await api.send(package("def run(context, input): return input")))
    async with connection(hub) as (reader, writer):
        writer.write(f"GET /api/v1{instance}/output HTTP/1.1\r\nHost: localhost\r\n\r\nGET".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        await asyncio.sleep(0.2)  # longer than a head may take
        await api.input(instance, b"last")
        rest = await reader.read()
    assert b"last" in rest
    assert b"HTTP/1.1 408 " in rest


async def test_a_stream_may_take_any_time(hub, api, package, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.05)
    instance = await api.start(await api.send(package("def run(context, input): return input")))

    async def slow():
        for item in (b"a", b"b"):
            yield item
            await asyncio.sleep(0.2)  # longer than a head may take

    sent = asyncio.ensure_future(api.input(instance, slow()))
    assert await api.read(f"{instance}/output") == b"ab"
    assert (await sent).status == 200


async def test_an_idle_connection_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr("transform_hub.hub.listener.IDLE_TIMEOUT", 0.05)
    async with serve(data_dir=tmp_path) as hub, connection(hub) as (reader, writer):
        assert await ask(reader, writer) == 200
        assert await reader.read() == b""


@pytest.mark.parametrize("part", ["path", "header", "headers"])
async def test_a_head_that_is_too_long_is_refused(api, part):
    path = "/version" + ("?" + "x" * 10_000) * (part == "path")
    headers = {"header": {"x": "y" * 10_000}, "headers": {f"x{number}": "y" for number in range(200)}}.get(part, {})
    answer = await api.get(path, **headers)
    assert (answer.status, answer.json["error"]) == (431, "The path or the headers of the request are too long")


async def test_json_that_does_not_come_is_not_waited_for(hub, monkeypatch):
    monkeypatch.setattr(json_bodies, "JSON_TIMEOUT", 0.05)
    async with connection(hub) as (reader, writer):
        head = b"POST /api/v1/topics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        writer.write(head + b"Content-Length: 9\r\n\r\n{")
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")


async def test_instances_are_limited(tmp_path, package, api_of):
    async with serve(data_dir=tmp_path, max_instances=1) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        sequence = await api.send(package(WAIT))
        first = await api.start(sequence)
        refused = await api.post(f"/sequence/{sequence}/start", {})
        assert refused.status == 419
        assert "maxInstances" in refused.json["error"]
        await api.post(f"{first}/_kill", {})
        await api.ended(first)  # it is kept, and does not count
        await api.start(sequence)
