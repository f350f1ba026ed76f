"""A Hub that listens on a Unix socket."""

import asyncio
import contextlib
from urllib.parse import quote

import pytest
from aiohttp import web
from yarl import URL

from transform_hub import errors
from transform_hub.client import HostClient
from transform_hub.client.address import Address

VERSION = {"service": "@scramjet/host", "apiVersion": "v1", "version": "1.0.1"}


@pytest.fixture
def socket(tmp_path):
    return tmp_path / "a hub.sock"


def url_of(socket, path="/api/v1"):
    return f"http+unix://{quote(str(socket), safe='')}{path}"


@pytest.fixture
async def server(socket):
    """Serves /version on the socket; gives the requests it got."""
    requests = []

    async def version(request):
        requests.append(request)
        return web.json_response(VERSION)

    app = web.Application()
    app.router.add_get("/api/v1/version", version)
    app.router.add_get("/api/v1/sth/h/api/v1/version", version)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    yield requests
    await runner.cleanup()


@pytest.fixture
async def hub_socket(hub, socket):
    """Our Hub, behind a socket that hands everything on."""

    async def pipe(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    tasks = set()

    async def relay(reader, writer):
        tasks.add(asyncio.current_task())
        there = await asyncio.open_connection("127.0.0.1", hub.port)
        await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))

    server = await asyncio.start_unix_server(relay, str(socket))
    yield socket
    server.close()
    if tasks:
        await asyncio.wait(tasks)


def test_the_url():
    address = Address.parse("http+unix://%2Frun%2Fhub.sock/api/v1/")
    assert address.socket == "/run/hub.sock"
    assert address.base == "http+unix://%2Frun%2Fhub.sock/api/v1"
    assert address.url("/version") == URL("http://localhost/api/v1/version")
    assert Address.parse("HTTP+unix://%2Frun%2Fhub.sock").base == address.base
    lower = address.below("/sth/h/api/v1")
    assert lower.base == address.base + "/sth/h/api/v1"
    assert lower.url("/version") == URL("http://localhost/api/v1/sth/h/api/v1/version")
    for wrong in ("http+unix:///run/hub.sock", "http+unix://", "http+unix://%2Frun?x=1", "unix:///run/hub.sock"):
        with pytest.raises(ValueError, match="is not the URL of a Hub"):
            Address.parse(wrong)


async def test_calls(server, socket):
    async with HostClient(url_of(socket), token="t") as host:
        assert host.url == url_of(socket)
        assert (await host.get_version()).api_version == "v1"
        below = HostClient.over(host.transport.below("/sth/h/api/v1"))
        assert (await below.get_version()).api_version == "v1"
        with pytest.raises(errors.NotFoundError) as raised:
            await host.list_sequences()
        assert raised.value.url == url_of(socket) + "/sequences"
    assert [request.host for request in server] == ["localhost", "localhost"]
    assert server[0].headers["Authorization"] == "Bearer t"


async def test_a_whole_run(hub_socket, package):
    source = "async def run(context, input):\n    async for line in input:\n        yield line.upper()\n"
    async with HostClient(url_of(hub_socket)) as host:
        done = await host.run(package(source), input="one\ntwo\n", check=True)
        assert done.output == b"ONE\nTWO\n"
        assert await host.list_sequences() == []


async def test_no_socket(socket):
    async with HostClient(url_of(socket)) as host:
        with pytest.raises(errors.HubConnectionError, match="There is no socket at http") as raised:
            await host.get_version()
    assert raised.value.hint == "start the Hub, or check the path"


async def test_nobody_listens(socket):
    import socket as sockets

    with sockets.socket(sockets.AF_UNIX) as left:
        left.bind(str(socket))
    async with HostClient(url_of(socket)) as host:
        with pytest.raises(errors.HubConnectionError, match="No Hub answers at http"):
            await host.get_version()
    socket.unlink()
