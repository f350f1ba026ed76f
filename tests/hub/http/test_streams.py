"""Streams of Instances over the API: both directions, several readers, back-pressure, clients that go away."""

import asyncio

import aiohttp
import psutil
import pytest

from until import steady, until

ECHO = "def run(context, input): return input"
SILENT = "import asyncio\nasync def run(context, input): await asyncio.Event().wait()"
COUNT = """
async def run(context, input):
    total = 0
    async for chunk in input:
        total += len(chunk)
    yield str(total)
"""
ENDLESS = """
async def run(context, input):
    block = bytes(65536)
    while True:
        yield block
"""
OCTETS = "application/octet-stream"


@pytest.fixture
def start(api, package):
    async def start(source, **options):
        return await api.start(await api.send(package(source)), **options)

    return start


async def test_input_to_output(api, start):
    instance = await start(ECHO)
    answer = await api.input(instance, b"one\ntwo\n")
    assert (answer.status, answer.body) == (200, b"")
    answer = await api.get(f"{instance}/output")
    assert answer.headers["content-type"] == OCTETS
    assert answer.body == b"one\ntwo\n"


async def test_input_stays_open_if_the_client_says_so(api, start):
    instance = await start(ECHO)
    assert (await api.input(instance, b"one\n", x_end_stream="false")).status == 202
    assert (await api.post(f"{instance}/input", b"two\n", x_end_stream="false")).status == 202
    assert (await api.input(instance, b"three\n")).status == 200
    assert await api.read(f"{instance}/output") == b"one\ntwo\nthree\n"


async def test_the_first_input_needs_a_content_type(api, start):
    instance = await start(ECHO)
    answer = await api.session.post(f"{api.url}{instance}/input", data=b"x", skip_auto_headers=["content-type"])
    assert answer.status == 406
    assert await answer.json() == {"error": "Content-Type must be defined"}


async def test_a_post_to_an_ended_input_is_refused(api, start):
    instance = await start(SILENT)
    assert (await api.input(instance, b"x")).status == 200
    answer = await api.input(instance, b"y")
    assert answer.status == 409
    assert "ended" in answer.json["error"]


async def posting(hub, path, *headers, body=b""):
    """A connection on which a client has sent the head of a POST, and the beginning of its chunked body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    lines = ("Host: localhost", "Content-Type: text/plain", "Transfer-Encoding: chunked", *headers, "", "")
    writer.write("\r\n".join((f"POST /api/v1{path} HTTP/1.1", *lines)).encode() + body)
    return reader, writer


async def waiting(hub, path):
    """The same, where it waits to be asked for the body."""
    reader, writer = await posting(hub, path, "Expect: 100-continue")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    return reader, writer


async def test_the_head_of_the_answer_keeps_away_from_100_continue(api, start, hub):
    instance = await start(ECHO)
    reader, writer = await waiting(hub, f"{instance}/input")
    await api.get("/version")
    assert not reader._buffer
    writer.write(b"2\r\na\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.write(b"0\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n0\r\n\r\n")
    writer.close()


async def test_the_head_of_the_answer_comes_after_the_body_if_the_client_says_so(api, start, hub):
    instance = await start(ECHO)
    reader, writer = await posting(hub, f"{instance}/input", "X-Answer-At: end", body=b"2\r\na\n\r\n")
    async with api.session.get(f"{api.url}{instance}/output") as output:
        assert await output.content.readline() == b"a\n"
    assert not reader._buffer
    writer.write(b"0\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()


async def test_output_comes_though_the_body_that_was_asked_for_does_not_begin(start, hub):
    instance = await start("async def run(context, input):\n    yield 'ready\\n'\n    async for _ in input: pass")
    reader, writer = await waiting(hub, f"{instance}/inout")
    assert b"200 OK" in await reader.readuntil(b"ready\n")
    writer.close()


@pytest.mark.parametrize("path", ["output", "stdout", "log", "events/any"])
async def test_proxies_are_told_to_pass_streams_on(api, start, path):
    instance = await start(SILENT)
    async with api.session.get(f"{api.url}{instance}/{path}") as answer:
        told = answer.headers["X-Accel-Buffering"], answer.headers["Cache-Control"]
        assert told == ("no", "no-store, no-transform")


async def test_head_of_the_answer_comes_before_the_body_ends(api, start, hub):
    instance = await start(ECHO)
    reader, writer = await posting(hub, f"{instance}/input")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.write(b"2\r\na\n\r\n0\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n0\r\n\r\n")
    assert await api.read(f"{instance}/output") == b"a\n"
    writer.close()


async def test_a_client_that_breaks_off_does_not_end_the_input(api, start, hub):
    instance = await start(ECHO)
    _, writer = await posting(hub, f"{instance}/input", body=b"6\r\nfirst\n\r\n")
    async with api.session.get(f"{api.url}{instance}/output") as output:
        assert await output.content.readline() == b"first\n"
        writer.transport.abort()
        assert (await api.input(instance, b"second\n")).status == 200
        assert await output.content.read() == b"second\n"


async def test_a_reader_that_goes_away_disturbs_nobody(api, start):
    instance = await start(ECHO)
    async with api.session.get(f"{api.url}{instance}/output") as one:
        await api.input(instance, b"a\n", x_end_stream="false")
        assert await one.content.readline() == b"a\n"
        one.close()
    output = api.instance(instance).streams["output"]
    await until(lambda: not output.readers)  # a quiet stream notices that its client has left
    await api.input(instance, b"b\n")
    assert await api.read(f"{instance}/output") == b"b\n"
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0


async def test_several_readers_each_get_everything(api, start):
    instance = await start(ECHO)
    readers = [asyncio.ensure_future(api.read(f"{instance}/output")) for _ in range(3)]
    await until(lambda: api.instance(instance).streams["output"].readers == 3)
    await api.input(instance, b"x\n" * 1000)
    assert await asyncio.gather(*readers) == [b"x\n" * 1000] * 3


async def test_head_of_a_stream_takes_nothing(api, start):
    instance = await start("def run(context, input): return 'kept'")
    await api.ended(instance)
    assert (await api.call("HEAD", f"{instance}/output")).status == 200
    assert await api.read(f"{instance}/output") == b"kept"
    assert await api.read(f"{instance}/output") == b""


async def test_stdin_stdout_stderr(api, start):
    instance = await start(
        "import sys\ndef run(context, input):\n    print(input_ := sys.stdin.read()); print('e', file=sys.stderr)"
    )
    assert (await api.post(f"{instance}/stdin", b"to stdin", content_type=OCTETS)).status == 200
    assert await api.read(f"{instance}/stdout") == b"to stdin\n"
    assert await api.read(f"{instance}/stderr") == b"e\n"


async def test_stdin_takes_octets_only(api, start):
    instance = await start(SILENT)
    assert (await api.post(f"{instance}/stdin", b"x", content_type="text/plain")).status == 415


async def test_the_wrong_direction_is_404(api, start):
    instance = await start(SILENT)
    assert (await api.post(f"{instance}/output")).status == 404


async def test_inout_is_a_conversation(api, start):
    instance = await start(ECHO)
    said = asyncio.Queue()

    async def body():
        while (line := await said.get()) is not None:
            yield line

    headers = {"content-type": "text/plain", "x-end-stream": "true"}
    # expect100: without it aiohttp holds the head back until there is a first chunk
    async with api.session.post(f"{api.url}{instance}/inout", data=body(), headers=headers, expect100=True) as response:
        for line in (b"hello\n", b"again\n"):
            await said.put(line)
            assert await response.content.readline() == line
        await said.put(None)
        assert await response.content.read() == b""
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0


async def test_input_for_an_instance_that_ends_is_broken_off(api, start):
    instance = await start("async def run(context, input):\n    async for line in input:\n        return")

    async def endless():
        while True:
            yield b"line\n" * 1000

    with pytest.raises(aiohttp.ClientError):
        async with api.session.post(
            f"{api.url}{instance}/input", data=endless(), headers={"content-type": "text/plain"}
        ) as response:
            await response.read()
    info = await api.ended(instance)
    assert info["status"] == "completed"
    assert (await api.input(instance, b"x")).status == 409


@pytest.mark.slow
async def test_a_stopped_reader_stops_its_writer_and_memory_stays_flat(api, start):
    instance = await start(ENDLESS)
    me = psutil.Process()
    before = me.memory_info().rss
    async with api.session.get(f"{api.url}{instance}/output") as response:
        await response.content.readexactly(1 << 20)
        channel = api.instance(instance).streams["output"]
        await until(steady(lambda: channel.is_held and channel.written))  # all buffers on the way are full
        assert channel.written < 32 << 20
        assert me.memory_info().rss - before < 30 << 20
        await response.content.readexactly(channel.written)  # more than it has written: it goes on


@pytest.mark.slow
async def test_much_input_goes_through_in_order(api, start):
    instance = await start(ECHO)
    block = bytes(range(256)) * 256
    count = 1024

    async def body():
        for number in range(count):
            yield number.to_bytes(4, "big") + block

    sending = asyncio.ensure_future(api.input(instance, body(), content_type=OCTETS))
    async with api.session.get(f"{api.url}{instance}/output") as response:
        for number in range(count):
            assert await response.content.readexactly(4) == number.to_bytes(4, "big")
            assert await response.content.readexactly(len(block)) == block
        assert await response.content.read() == b""
    assert (await sending).status == 200


async def test_input_is_counted_to_the_byte(api, start):
    instance = await start(COUNT)
    await api.input(instance, b"x" * 900_001, content_type=OCTETS)
    assert await api.read(f"{instance}/output") == b"900001"


async def test_the_log_is_replayed_for_every_reader(api, start):
    instance = await start("def run(context, input): context.logger.info('from the Sequence')")
    await api.ended(instance)
    first, second = [(await api.get(f"{instance}/log")).text for _ in range(2)]
    assert "from the Sequence" in first
    assert first == second


async def test_an_empty_input_is_an_input(api, start):
    for _ in range(2):  # aiohttp has one object for all empty bodies
        instance = await start(COUNT)
        assert (await api.input(instance, b"")).status == 200
        assert await api.read(f"{instance}/output") == b"0"
