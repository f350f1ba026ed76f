"""Writing and reading over one request."""

import asyncio

import pytest
import trustme
from aiohttp import web
from faulty import raw, serving

from transform_hub import errors
from transform_hub.client import TLS, HostClient
from transform_hub.hub.access.tls import TLSConfig
from transform_hub.hub.server import serve
from until import until

INFO = {"id": "x", "sequence": {"id": "s", "config": {}}, "status": "running"}
ENDED = {**INFO, "status": "errored", "terminated": {"exitcode": 1, "reason": "oops"}}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def duplex(handler, info=INFO):
    return serving(("POST", "/instance/x/inout", handler), ("GET", "/instance/x", info))


async def shouting(request):
    """Its head comes with its first byte, as that of STH does."""
    response = None
    async for chunk in request.content.iter_any():
        if response is None:
            response = web.StreamResponse()
            await response.prepare(request)
        await response.write(chunk.upper())
    await response.write(b"END")
    return response


async def test_a_dialogue():
    async with (
        duplex(shouting) as server,
        HostClient(server.url) as host,
        host.instance("x").inout("text/plain") as both,
    ):
        chunks = aiter(both)
        for word in ("one", "zwölf", "three"):
            await both.write(word)
            assert (await anext(chunks)).decode() == word.encode().upper().decode()
        await both.close_input()
        assert b"".join([chunk async for chunk in chunks]) == b"END"
    [request] = server.of("/inout")
    assert request.headers["Content-Type"] == "text/plain"
    assert request.headers["x-end-stream"] == "true"


async def test_the_other_way_is_open_after_half_close():
    async def late(request):
        assert await request.read() == b"all"
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(3):
            await response.write(b"%d\n" % number)
            await asyncio.sleep(0.01)
        return response

    async with duplex(late) as server, HostClient(server.url) as host, host.instance("x").inout() as both:
        await both.write(b"all")
        await both.close_input()
        await both.close_input()
        assert [line async for line in both.lines()] == ["0", "1", "2"]


async def test_opening_does_not_wait_for_the_answer():
    async def silent(request):
        await asyncio.Event().wait()

    async with duplex(silent) as server, HostClient(server.url) as host:
        async with host.instance("x").inout() as both:
            await both.write(b"x")
        await until(lambda: all(item is None or item.is_closing() for item in server.connections))


async def test_two_tasks_open_it_once():
    async with duplex(shouting) as server, HostClient(server.url) as host:
        both = host.instance("x").inout()

        async def write():
            await both.write(b"abc")
            await both.close_input()

        assert (await asyncio.gather(both.read(), write()))[0] == b"ABCEND"
        assert len(server.of("/inout")) == 1


async def test_much_in_both_directions():
    async with duplex(shouting) as server, HostClient(server.url) as host, host.instance("x").inout() as both:

        async def write():
            for _ in range(200):
                await both.write(b"x" * 100_000)
            await both.close_input()

        writing = asyncio.ensure_future(write())
        size = 0
        async for chunk in both:
            size += len(chunk)
        await writing
    assert size == 20_000_003


async def test_an_error_instead_of_100_continue():
    async with serving() as server, HostClient(server.url) as host:
        with pytest.raises(errors.NotFoundError):
            await host.instance("x").inout()
        with pytest.raises(errors.NotFoundError):
            await host.instance("x").inout().write(b"x")
        with pytest.raises(errors.NotFoundError):
            await host.instance("x").inout().read()


@pytest.mark.parametrize("way", ["read", "write"])
async def test_an_error_later(way):
    async def refuse(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CONTINUE)
        await reader.readexactly(6)
        writer.write(b'HTTP/1.1 409 Conflict\r\ncontent-length: 17\r\n\r\n{"error": "full"}')
        await asyncio.Event().wait()

    async with raw(refuse) as url, HostClient(url) as host, host.instance("x").inout() as both:
        await both.write(b"x")
        with pytest.raises(errors.ConflictError, match="full"):
            if way == "read":
                await both.read()
            while True:
                await both.write(b"x" * 10_000)
                await asyncio.sleep(0)


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize(("info", "error"), [(INFO, errors.StreamError), (ENDED, errors.InstanceEndedError)])
@pytest.mark.parametrize("way", ["read", "write"])
async def test_the_hub_drops_the_connection(answered, info, error, way):
    async def drop(request):
        await request.content.readany()
        if answered:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"x")
        request.transport.abort()
        return web.Response()

    async with duplex(drop, info) as server, HostClient(server.url) as host:
        both = await host.instance("x").inout()
        await both.write(b"x")
        with pytest.raises(errors.StreamError) as raised:
            if way == "read":
                await both.read()
            while True:
                await both.write(b"x" * 10_000)
                await asyncio.sleep(0)
    assert type(raised.value) is error


async def test_the_answer_ends_while_writing():
    async def enough(request):
        await request.content.readany()
        return web.Response(body=b"enough")

    async with duplex(enough, ENDED) as server, HostClient(server.url) as host, host.instance("x").inout() as both:
        await both.write(b"x")
        assert await both.read() == b"enough"
        with pytest.raises(errors.StreamError):
            await both.write(b"more")


async def test_closing_while_waiting_for_the_head():
    async def silent(request):
        await asyncio.Event().wait()

    async with duplex(silent) as server, HostClient(server.url) as host:
        both = await host.instance("x").inout()
        reading = asyncio.ensure_future(both.read())
        await asyncio.sleep(0)
        await both.close()
        with pytest.raises(errors.StreamError, match="closed here"):
            await reading
        with pytest.raises(errors.StreamError, match="closed here"):
            await both.write(b"x")


@pytest.mark.parametrize(("of_client", "of_stream"), [(0.05, {}), (None, {"idle_timeout": 0.05})])
async def test_idle_timeout(of_client, of_stream):
    async with (
        duplex(lambda _: asyncio.Event().wait()) as server,
        HostClient(server.url, idle_timeout=of_client) as host,
        host.instance("x").inout(**of_stream) as both,
    ):
        with pytest.raises(errors.HubError) as raised:
            await both.read()
        assert isinstance(raised.value, TimeoutError)


async def test_closing_leaves_the_connection_to_the_next_call():
    async def slow(request):
        await asyncio.sleep(0.05)
        return web.json_response(INFO)

    routes = [("POST", "/instance/x/inout", shouting), ("POST", "/instance/x/_kill", slow)]
    async with serving(*routes) as server, HostClient(server.url) as host:
        both = await host.instance("x").inout()
        await both.write(b"x")
        await both.close_input()
        while await both._next():
            pass
        killing = asyncio.ensure_future(host.instance("x").kill())
        await until(lambda: server.of("_kill"))
        await both.close()
        assert (await killing).id == "x"
        assert len(server.connections) == 1


COUNT = """
async def run(context, input):
    count = 0
    async for line in input:
        count += 1
        yield line
    context.emit("count", count)
"""


@pytest.mark.parametrize("lines", [0, 1, 30_000])
@pytest.mark.parametrize("secure", [False, True])
async def test_leaving_at_once_does_not_lose_the_end_of_the_input(lines, secure, tmp_path, package):
    """Nor with more output than the connection holds, for which the Sequence stops until somebody reads."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "hub.pem")
    tls = {"tls": TLSConfig(certificate=tmp_path / "hub.pem")} if secure else {}
    async with (
        serve(port=0, data_dir=tmp_path / "hub", **tls) as hub,
        HostClient(hub.url, tls=TLS(ca_file=tmp_path / "ca.pem") if secure else None) as host,
    ):
        instance = await (await host.send_sequence(package(COUNT))).start()
        async with instance.inout("text/plain") as both:
            for _ in range(lines):
                await both.write(b"x" * 99 + b"\n")
            await both.close_input()
        assert (await instance.get_event("count")) == lines
