"""Reading streams: pieces of any size, every way to end."""

import asyncio
import gc
import time
from dataclasses import dataclass

import pytest
from aiohttp import web
from faulty import serving
from hypothesis import given
from hypothesis import strategies as st

from transform_hub import errors
from transform_hub.client import HostClient
from transform_hub.client.decoders import Lines
from until import steady, until

INFO = {"id": "x", "sequence": {"id": "s", "config": {}}, "status": "running"}
ENDED = {**INFO, "status": "errored", "error": "KeyError: 1", "terminated": {"exitcode": 137, "reason": "killed"}}


def streaming(*chunks, end=True, then=None):
    """A handler that sends chunks, each of which arrives on its own."""

    async def handle(request):
        response = web.StreamResponse(headers={"content-type": "application/octet-stream"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0.002 if len(chunks) < 100 else 0)
        if then:
            await then(request)
        if not end:
            request.transport.close()
        return response

    return handle


def answering(body):
    """A handler whose answer has a known length."""

    async def handle(_request):
        return web.Response(body=body)

    return handle


async def never(_request):
    await asyncio.Event().wait()


class Output:
    """A reader of what a server sends as an Instance's output."""

    def __init__(self, *chunks, info=INFO, idle_timeout=None, **options):
        routes = [("GET", "/instance/x/output", streaming(*chunks, **options)), ("GET", "/instance/x", info)]
        self._serving = serving(*routes)
        self._idle_timeout = idle_timeout

    async def __aenter__(self):
        self.server = await self._serving.__aenter__()
        self.host = HostClient(self.server.url, idle_timeout=self._idle_timeout)
        reader = self.host.instance("x").get_output()
        reader.server = self.server
        return reader

    async def __aexit__(self, *error):
        await self.host.close()
        await self._serving.__aexit__(*error)


async def test_chunks_come_when_they_are_there():
    go_on = asyncio.Event()
    async with Output(b"one", then=lambda _: go_on.wait()) as reader:
        chunks = aiter(reader)
        assert await anext(chunks) == b"one"
        go_on.set()
        assert [chunk async for chunk in chunks] == []


async def test_ways_to_read():
    async with Output(b"a\n", b"b\n") as reader:
        assert await reader.read() == b"a\nb\n"
        assert await reader.read() == b""
    async with Output(b"a\n", b"b\n") as reader:
        assert await reader is reader
        assert b"".join([chunk async for chunk in reader]) == b"a\nb\n"
    async with Output(b"a\n", b"b\n") as reader, reader as same:
        assert same is reader
        assert [line async for line in same.lines()] == ["a", "b"]
    async with Output() as reader:
        assert [line async for line in reader.lines()] == []


async def test_it_is_opened_when_it_is_needed():
    async with Output(b"a") as reader:
        await reader._transport.call("GET", "/instance/x", dict)
        assert not reader.server.of("/output")
        assert "not open" in repr(reader)
        await reader
        assert len(reader.server.of("/output")) == 1
        assert "open" in repr(reader)
        await reader.close()
        assert "closed" in repr(reader)


@pytest.mark.parametrize("way", ["await", "with", "for", "lines", "read"])
async def test_an_error_is_raised_when_it_is_opened(way):
    async with serving() as server, HostClient(server.url) as host:
        reader = host.instance("x").get_output()
        with pytest.raises(errors.NotFoundError):
            if way == "await":
                await reader
            elif way == "with":
                async with reader:
                    pass
            elif way == "for":
                async for _ in reader:
                    pass
            elif way == "lines":
                async for _ in reader.lines():
                    pass
            else:
                await reader.read()


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"\n", b"b"], ["a", "b"]),
        ([b"a\r", b"\nb\r\n"], ["a", "b"]),
        ([b"a\rb\n", b"c\r"], ["a\rb", "c\r"]),
        ([b"a\r\r\n"], ["a\r"]),
        ([b"\n\n", b"\n"], ["", "", ""]),
        ([b"a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f\n"], ["a\x0bb\x0cc\x1cd\x85e\u2028f"]),
        (["ü\n".encode()[:1], "ü\n".encode()[1:]], ["ü"]),
        ([b"\xff\xfe\n"], ["\ufffd\ufffd"]),
        ([b" a \n"], [" a "]),
    ],
)
async def test_lines(chunks, lines):
    async with Output(*chunks) as reader:
        assert [line async for line in reader.lines()] == lines


async def test_line_ends_can_be_kept():
    async with Output(b"a\r\n", b"b\n\nc") as reader:
        assert [line async for line in reader.lines(keepends=True)] == ["a\r\n", "b\n", "\n", "c"]


async def test_strict_lines():
    async with Output(b"a\n\xff\n") as reader:
        with pytest.raises(UnicodeDecodeError):
            async for _ in reader.lines(errors="strict"):
                pass


async def test_text_keeps_characters_whole():
    text = "zwölf 😀 Boxkämpfer"
    data = text.encode()
    async with Output(*(data[at : at + 1] for at in range(len(data)))) as reader:
        pieces = [piece async for piece in reader.text()]
    assert "".join(pieces) == text
    assert len(pieces) > 3
    async with Output("😀".encode()[:2]) as reader:
        assert "".join([piece async for piece in reader.text()]) == "\ufffd"


@given(st.lists(st.binary(max_size=8), max_size=20))
def test_splitting_is_that_of_the_whole(chunks):
    decoder = Lines("surrogateescape", keepends=True)
    *complete, rest = b"".join(chunks).split(b"\n")
    expected = [line + b"\n" for line in complete] + ([rest] if rest else [])
    lines = [line for chunk in chunks for line in decoder.feed(chunk)] + [*decoder.finish()]
    assert [line.encode("utf-8", "surrogateescape") for line in lines] == expected


@pytest.mark.slow
async def test_a_long_line_costs_what_its_length_is():
    size = 64 * 1024

    async def cost(chunks):
        async with Output(*[b"x" * size] * chunks, b"\nshort\n") as reader:
            begun = time.process_time()
            lines = [line async for line in reader.lines()]
            took = time.process_time() - begun
        assert [len(line) for line in lines] == [size * chunks, 5]
        return took

    await cost(10)
    small, large = await cost(40), await cost(160)  # 2.5 and 10 MB
    assert large < small * 10  # four times as long; if it were quadratic, sixteen times as dear


@dataclass
class Point:
    x: int
    y: int = 0


async def test_json():
    async with Output(b'{"x": 1}\n\n  \n[1,', b' 2]\r\n"a"\nnull') as reader:
        assert [value async for value in reader.json()] == [{"x": 1}, [1, 2], "a", None]
    async with Output(b'{"x": 1}\n{"x": 2, "y": 3, "z": 4}') as reader:
        assert [value async for value in reader.json(Point)] == [Point(1), Point(2, 3)]


DAMAGED = {
    b'\xef\xbb\xbf{"x": 1}': {"x": 1},
    b'"\\ud800"': "\ud800",
    b'["a\xff"]': ["a\udcff"],
}


@pytest.mark.parametrize("line", DAMAGED)
async def test_a_line_with_a_bom_or_text_that_is_not_unicode(line):
    async with Output(b"1\n" + line + b"\n2") as reader:
        assert [value async for value in reader.json()] == [1, DAMAGED[line], 2]


CAUSES = {
    b"[1, NaN]": "NaN is not JSON",
    b'{"a": tru}': "Expecting value at column 7",
    b"[" * 100_000: "it is nested too deeply",
}


@pytest.mark.parametrize("line", CAUSES)
async def test_the_error_names_line_and_cause(line):
    async with Output(b"1\n" + line + b"\n") as reader:
        with pytest.raises(errors.StreamError, match=f"Line 2 is not what was expected: .*{CAUSES[line]}"):
            _ = [value async for value in reader.json()]


@pytest.mark.parametrize(("bad", "kind"), [(b"{oops", Point), (b'{"x": "a"}', Point), (b"\xff", object)])
async def test_a_line_that_is_no_json(bad, kind):
    async with Output(b'{"x": 1}\n\n' + bad + b'\n{"x": 2}\n') as reader:
        values = reader.json(kind)
        assert await anext(values)
        with pytest.raises(errors.StreamError, match="Line 3 is not what was expected"):
            await anext(values)


async def gone(server):
    """Wait until the server sees that nobody reads any more."""
    await until(lambda: all(is_closed(request) for request in server.of("/output")))


def is_closed(request):
    return request.transport is None or request.transport.is_closing()


@pytest.mark.parametrize("adapter", [None, "lines", "text", "json"])
async def test_breaking_out_closes_the_connection(adapter):
    async with Output(b"1\n", then=never) as reader:
        async for _ in getattr(reader, adapter)() if adapter else reader:
            break
        await gone(reader.server)


async def test_leaving_or_closing_closes_the_connection():
    async with Output(b"1\n", then=never) as reader:
        async with reader:
            pass
        await gone(reader.server)
    async with Output(b"1\n", then=never) as reader:
        await (await reader).close()
        await reader.close()
        await gone(reader.server)


async def test_a_reader_that_is_dropped_closes_its_connection():
    async with Output(b"1\n", then=never) as reader:
        server = reader.server
        await reader
        del reader
        gc.collect()
        await gone(server)


async def test_reading_what_was_closed():
    async with Output(b"1\n", then=never) as reader:
        await reader
        await reader.close()
        with pytest.raises(errors.StreamError, match="closed here"):
            await reader.read()
    async with Output(b"1\n") as reader:
        await reader.close()
        with pytest.raises(errors.StreamError, match="closed here"):
            await reader.read()


async def test_closing_while_someone_reads():
    async with Output(b"1\n", then=never) as reader:
        chunks = aiter(reader)
        await anext(chunks)
        waiting = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0)
        await reader.close()
        with pytest.raises(errors.StreamError, match="closed here"):
            await waiting


async def test_a_stream_that_breaks_off():
    async with Output(b"1\n", end=False) as reader:
        lines = reader.lines()
        assert await anext(lines) == "1"
        with pytest.raises(errors.StreamError, match="broke off") as raised:
            await anext(lines)
    assert type(raised.value) is errors.StreamError
    assert raised.value.url.endswith("/instance/x/output")
    assert len(raised.value.request_id) == 32


async def test_it_says_that_the_instance_ended():
    async with Output(b"1\n", end=False, info=ENDED) as reader:
        with pytest.raises(errors.InstanceEndedError) as raised:
            await reader.read()
    assert raised.value.exit_code == 137
    assert raised.value.reason == "killed, KeyError: 1"
    assert "exit code 137: killed" in str(raised.value)


async def test_it_says_that_the_instance_is_gone():
    async def missing(request):
        return web.json_response({"error": "Instance x not found"}, status=404)

    async with Output(b"1\n", end=False, info=missing) as reader:
        with pytest.raises(errors.InstanceEndedError, match="has forgotten it"):
            await reader.read()


async def test_if_the_hub_does_not_say_why_the_stream_still_tells(monkeypatch):
    monkeypatch.setattr("transform_hub.client.waiting.EXPLAINING", 0.05)
    async with Output(b"1\n", end=False, info=never) as reader:
        with pytest.raises(errors.StreamError, match="broke off"):
            await reader.read()


async def test_idle_timeout():
    async with Output(b"1\n", then=never, idle_timeout=0.05) as reader:
        with pytest.raises(errors.StreamTimeoutError, match=r"Nothing came for 0\.05 s") as raised:
            await reader.read()
        assert isinstance(raised.value, TimeoutError)
        await gone(reader.server)


async def test_idle_timeout_of_one_stream():
    async def later(_request):
        await asyncio.sleep(0.2)

    async with (
        serving(("GET", "/instance/x/output", streaming(b"1", then=later)), ("GET", "/instance/x", INFO)) as server,
        HostClient(server.url, idle_timeout=0.05) as host,
    ):
        assert await host.instance("x").get_output(idle_timeout=None).read() == b"1"
        with pytest.raises(errors.StreamTimeoutError, match=r"Nothing came for 0\.1 s"):
            await host.instance("x").get_output(idle_timeout=0.1).read()


async def test_progress_of_what_is_read():
    told = []
    async with (
        serving(("GET", "/instance/x/output", answering(b"12345678"))) as server,
        HostClient(server.url) as host,
    ):
        reader = host.instance("x").get_output(progress=lambda *figures: told.append(figures))
        assert await reader.read() == b"12345678"
    assert told[-1] == (8, 8)
    assert reader.received == 8


async def test_a_reader_that_takes_its_time_is_not_idle():
    async with Output(*[b"x" * 65536] * 40, idle_timeout=0.1) as reader:
        size = 0
        async for chunk in reader:
            if not size:
                await asyncio.sleep(0.3)
            size += len(chunk)
    assert size == 40 * 65536


async def test_streams_outlive_the_deadline_of_calls():
    async def later(_request):
        await asyncio.sleep(0.2)

    async with (
        serving(("GET", "/instance/x/output", streaming(b"1", then=later))) as server,
        HostClient(server.url, timeout=0.05) as host,
    ):
        assert await host.instance("x").get_output().read() == b"1"


async def test_a_slow_reader_slows_the_sender():
    sent = 0

    async def endless(request):
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)
            sent += 65536

    async with (
        serving(("GET", "/instance/x/output", endless)) as server,
        HostClient(server.url) as host,
        host.instance("x").get_output(),
    ):
        await until(steady(lambda: sent))
        assert sent < 20_000_000
