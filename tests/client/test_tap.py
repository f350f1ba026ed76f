"""Taps: copies of a stream, which tell to the byte what they were too slow for."""

import asyncio

import pytest
from aiohttp import web
from faulty import serving

from transform_hub import errors
from transform_hub.client import Gap, HostClient
from transform_hub.sync import HostClient as SyncHostClient

STREAM = b"".join(b"%04d\n" % number for number in range(1000, 1100))
INFO = {"id": "x", "sequence": {"id": "s", "config": {}}, "status": "running"}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("transform_hub.client.follower.FIRST_PAUSE", 0.001)


class Tapped:
    """Gives a copy of a stream in one connection after the other: the bytes from one position to another.

    A connection that does not reach the end of the stream is dropped, when its bytes were read, without the last chunk.
    """

    def __init__(self, *windows):
        self.windows = list(windows)
        self.asked = []
        self.taken = asyncio.Event()

    async def __call__(self, request):
        assert request.query["tap"] == "true"
        self.taken.clear()
        self.asked.append(request.headers.get("X-Stream-Position"))
        begin, end = self.windows.pop(0)
        response = web.StreamResponse(headers={"X-Stream-Position": str(begin)})
        await response.prepare(request)
        await response.write(STREAM[begin:end])
        if end < len(STREAM):
            await self.taken.wait()
            request.transport.abort()
        return response

    async def all_of(self, items):
        """Read a tap to its end."""
        found = []
        async for item in items:
            found.append(item)
            self.taken.set()
        return found


def serving_tap(tapped, path="/instance/x/output"):
    return serving(("GET", path, tapped), ("GET", "/instance/x", INFO), ("GET", "/topics", []))


@pytest.mark.parametrize("name", ["output", "stdout", "stderr"])
async def test_a_tap_starts_now_and_ends_with_the_stream(name):
    tapped = Tapped((20, len(STREAM)))
    async with serving_tap(tapped, f"/instance/x/{name}") as server, HostClient(server.url) as host:
        assert await getattr(host.instance("x"), f"get_{name}")(tap=True).read() == STREAM[20:]
    assert tapped.asked == [None]


async def test_what_was_dropped_is_a_gap_of_so_many_bytes():
    tapped = Tapped((0, 103), (200, 250), (400, len(STREAM)))
    async with serving_tap(tapped) as server, HostClient(server.url) as host:
        lines = await tapped.all_of(host.instance("x").get_output(tap=True).lines(keepends=True))
    assert tapped.asked == [None, "103", "250"]
    gaps = [line for line in lines if isinstance(line, Gap)]
    assert [(gap.missing, gap.partial) for gap in gaps] == [(97, b"102"), (150, b"")]
    assert "97 bytes are missing" in str(gaps[0])
    expected = STREAM[:100] + STREAM[200:250] + STREAM[400:]
    assert "".join(line for line in lines if isinstance(line, str)).encode() == expected


async def test_a_lost_connection_is_no_gap_while_the_hub_keeps_what_comes_next():
    tapped = Tapped((0, 103), (103, len(STREAM)))
    async with serving_tap(tapped) as server, HostClient(server.url) as host:
        assert b"".join(await tapped.all_of(host.instance("x").get_output(tap=True))) == STREAM
    assert tapped.asked == [None, "103"]


async def test_a_topic_ends_when_it_is_deleted():
    tapped = Tapped((0, 50), (75, len(STREAM)))
    async with serving_tap(tapped, "/topic/news") as server, HostClient(server.url) as host:
        chunks = await tapped.all_of(host.topic("news", "text/plain").get(tap=True))
        assert {request.headers["Content-Type"] for request in server.of("/topic/news")} == {"text/plain"}
    assert [chunk.missing for chunk in chunks if isinstance(chunk, Gap)] == [25]


async def test_the_sync_client_taps_as_well():
    tapped, loop, values = Tapped((0, 103), (200, len(STREAM))), asyncio.get_running_loop(), []

    def read(url):
        with SyncHostClient(url) as host:
            for value in host.instance("x").get_output(tap=True).json(int):
                values.append(value)
                loop.call_soon_threadsafe(tapped.taken.set)

    async with serving_tap(tapped) as server:
        await asyncio.to_thread(read, server.url)
    assert [value for value in values if not isinstance(value, Gap)] == [*range(1000, 1020), *range(1040, 1100)]
    assert [value.missing for value in values if isinstance(value, Gap)] == [97]


async def test_a_hub_that_would_take_from_others_instead_is_refused():
    released = asyncio.Event()

    async def take(request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            await asyncio.Event().wait()
        finally:
            released.set()

    async with serving_tap(take) as server, HostClient(server.url) as host:
        with pytest.raises(errors.HubResponseError, match="This Hub has no taps"):
            await host.instance("x").get_output(tap=True)
        await released.wait()


def test_a_tap_is_not_followed():
    with SyncHostClient("http://127.0.0.1:1") as sync:
        for host in (HostClient("http://127.0.0.1:1"), sync):
            for get in (host.instance("x").get_stderr, host.topic("news").get):
                with pytest.raises(ValueError, match="either follow or tap"):
                    get(follow=True, tap=True)
