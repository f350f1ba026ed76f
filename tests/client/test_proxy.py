"""Proxies that the environment names, and what never goes through one."""

import asyncio
import base64
import contextlib
import ssl

import pytest
import trustme
from aiohttp import web
from faulty import raw, serving
from yarl import URL

from transform_hub import errors
from transform_hub.client import TLS, HostClient
from transform_hub.client.proxy import Proxy, proxy_for
from transform_hub.hub.server import serve

VERSION = {"service": "@scramjet/host", "apiVersion": "v1", "version": "1.0.1"}
FAR = "http://hub.invalid:8000/api/v1"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Sets variables, ``environment(HTTP_PROXY=...)``; there are none to begin with."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    return lambda **variables: [monkeypatch.setenv(name, value) for name, value in variables.items()]


def proxy_of(url):
    found = proxy_for(URL(url))
    return str(found.url) if found else None


def test_which_proxy_is_used(environment):
    assert proxy_of("http://hub") is None
    environment(HTTP_PROXY="http://one:1", HTTPS_PROXY="two:2")
    assert proxy_of("http://hub") == "http://one:1"
    assert proxy_of("https://hub") == "http://two:2"
    environment(NO_PROXY="hub, .example.org,other:8000")
    for url in ("http://hub", "https://a.example.org", "http://other:8000"):
        assert proxy_of(url) is None
    for url in ("http://hub2", "http://example.com", "http://other:8001"):
        assert proxy_of(url)
    environment(NO_PROXY="*")
    assert proxy_of("http://anything") is None


def test_all_proxy(environment):
    environment(ALL_PROXY="http://all:1", HTTP_PROXY="http://one:1")
    assert proxy_of("http://hub") == "http://one:1"
    assert proxy_of("https://hub") == "http://all:1"


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_this_machine_is_reached_without_a_proxy(environment, host):
    environment(ALL_PROXY="http://one:1", HTTP_PROXY="http://one:1")
    assert proxy_of(f"http://{host}:8000") is None


def test_credentials(environment):
    environment(HTTP_PROXY="http://me:s%40cret@one:1/")
    assert proxy_for(URL("http://hub")) == Proxy(
        URL("http://one:1"), {"Proxy-Authorization": "Basic " + base64.b64encode(b"me:s@cret").decode()}
    )
    assert "cret" not in repr(proxy_for(URL("http://hub")))


@pytest.mark.parametrize("wrong", ["socks5://me:s3cret@one:1", "http://", "http://one:port"])
def test_what_is_no_http_proxy_is_not_silently_left_out(environment, wrong):
    environment(ALL_PROXY=wrong)
    with pytest.raises(ValueError, match="is not an HTTP proxy: add the Hub's host to NO_PROXY") as raised:
        HostClient(FAR)
    assert "s3cret" not in str(raised.value)
    assert HostClient(FAR, trust_env=False).url == FAR


@contextlib.asynccontextmanager
async def plain_proxy(answer):
    """A proxy for http: answers itself what it is asked to forward."""
    seen = []

    async def forward(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.append(head)
        writer.write(answer)
        await writer.drain()

    async with raw(forward) as url:
        yield url.removesuffix("/api/v1"), seen


OK = b'HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n{"service":"far","apiVersion":"v1","version":"1","build":"x"}\n'[
    :-1
]


async def test_a_call_through_a_proxy(environment):
    async with plain_proxy(OK) as (url, seen):
        environment(HTTP_PROXY=url.replace("://", "://me:s3cret@"))
        async with HostClient(FAR, token="abc") as host:
            assert (await host.get_version()).service == "far"
    assert seen[0].startswith(f"GET {FAR}/version HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic" in seen[0]
    assert "Authorization: Bearer abc" in seen[0]


async def test_a_proxy_that_is_not_there(environment, nobody):
    environment(HTTP_PROXY=nobody.removesuffix("/api/v1"))
    async with HostClient(FAR) as host:
        with pytest.raises(errors.HubConnectionError, match="No connection to the proxy for") as raised:
            await host.get_version()
    assert "NO_PROXY" in raised.value.hint


async def test_a_proxy_that_does_not_connect(environment):
    async with plain_proxy(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n") as (url, seen):
        environment(HTTPS_PROXY=url)
        async with HostClient(FAR.replace("http:", "https:"), token="s3cret") as host:
            with pytest.raises(errors.HubConnectionError, match=r"The proxy does not connect to .*407") as raised:
                await host.get_version()
    assert seen[0].startswith("CONNECT hub.invalid:8000")
    assert "s3cret" not in seen[0]
    assert raised.value.__cause__ is None


async def test_a_secure_hub_behind_a_proxy(environment, tmp_path):
    """CONNECT, then TLS with the Hub itself: the proxy sees nothing of it. Streams go both ways."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hub.invalid").configure_cert(context)
    taken = []

    async def take(request):
        taken.append(await request.read())
        return web.Response()

    routes = [("GET", "/version", VERSION), ("POST", "/instance/x/input", take)]
    async with serving(*routes, ssl_context=context) as server:

        async def tunnel(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"CONNECT hub.invalid:443 ")
            assert b"Proxy-Authorization: Basic" in head
            there = await asyncio.open_connection("127.0.0.1", URL(server.url).port)
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            try:
                await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))
            finally:
                there[1].close()

        async with raw(tunnel) as url:
            environment(HTTPS_PROXY=url.removesuffix("/api/v1").replace("://", "://me:pass@"))
            async with HostClient("https://hub.invalid/api/v1", tls=TLS(ca_file=tmp_path / "ca.pem")) as host:
                assert (await host.get_version()).api_version == "v1"
                await host.instance("x").send_input(b"x" * 1_000_000)
    assert [len(data) for data in taken] == [1_000_000]


async def test_a_whole_run_through_a_proxy(environment, package, tmp_path):
    """Streams both ways, through a proxy that hands on what comes as it comes."""

    async def relay(reader, writer):
        there = await asyncio.open_connection("127.0.0.1", hub.port)
        try:
            await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))
        finally:
            there[1].close()

    # A Hub without a token answers to the names of this machine only.
    async with serve(port=0, data_dir=tmp_path / "hub", token="s3cret") as hub, raw(relay) as url:
        environment(HTTP_PROXY=url.removesuffix("/api/v1"))
        async with HostClient(FAR, token="s3cret") as host:
            done = await host.run(package("def run(context, input): return input"), input=b"x" * 1_000_000, check=True)
            assert len(done.output) == 1_000_000


async def pipe(reader, writer):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_this_machine_and_unix_sockets_go_without(environment, nobody, hub):
    environment(ALL_PROXY=nobody, HTTP_PROXY=nobody)
    async with HostClient(hub.url) as host:
        assert await host.list_sequences() == []
    assert HostClient("http+unix://%2Ftmp%2Fhub.sock").transport._proxy is None
