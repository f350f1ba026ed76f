"""Output, stdout and stderr that are followed over lost connections, and over Hubs that are killed."""

import asyncio
import os
import random

import pytest
from aiohttp import web
from faulty import line_to, raw, serving
from test_follower import Part, collected, parts

from transform_hub import errors
from transform_hub.client import Gap, HostClient
from transform_hub.hub.reattach.ring import can_spool
from transform_hub.sync import HostClient as SyncHostClient
from until import steady, until

needs_spool = pytest.mark.skipif(not can_spool(), reason="this system can't keep streams")

NUMBERS = """
import asyncio, sys, threading
def write(file, count):
    for number in range(count):
        print(f"{number:09}", file=file)
async def run(context, input, count, wait=False):
    finish = asyncio.Event()
    context.on("finish", lambda _: finish.set())
    threads = [threading.Thread(target=write, args=(file, count)) for file in (sys.stdout, sys.stderr)]
    for thread in threads:
        thread.start()
    for number in range(0, count, 50):
        yield "".join(f"{each:09}\\n" for each in range(number, number + 50))
        await asyncio.sleep(0)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    if wait:
        await finish.wait()
"""
"""Numbered lines to each of its streams."""

MUCH = """
async def run(context, input):
    for number in range(0, 300_000, 1000):
        yield "".join(f"{each:09}\\n" for each in range(number, number + 1000))
"""
"""More output than is kept for a reader that is away."""

MUCH_WHEN_ASKED = """
import asyncio
async def run(context, input):
    go = asyncio.Event()
    context.on("go", lambda _: go.set())
    await go.wait()
    for _ in range(300): yield "x" * 9_999 + "\\n"
"""

WAITING = "async def run(context, input):\n    async for line in input:\n        yield line\n"


def numbers(count):
    return b"".join(b"%09d\n" % number for number in range(count))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr("transform_hub.client.follower.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("transform_hub.client.follower.LONGEST_PAUSE", 0.02)


@pytest.fixture
async def lasting(sth):
    """The client of an ``sth`` whose Instances outlive it."""
    await sth.start("--reattach")
    async with HostClient(sth.url) as host:
        yield host


async def restarted(sth):
    await sth.kill()
    await sth.start("--reattach", port=sth.port)


@pytest.mark.slow
@needs_spool
async def test_nothing_is_lost_or_doubled_when_the_hub_is_killed(sth, lasting, package):
    chance, count = random.Random(7), 100_000
    instance = await (await lasting.send_sequence(package(NUMBERS))).start(args=[count, True])
    readers = [await instance.get_output(follow=True), await instance.get_stdout(follow=True)]
    with SyncHostClient(sth.url) as sync:
        in_thread = sync.instance(instance.id).get_stderr(follow=True).open()
        reading = asyncio.gather(*(reader.read() for reader in readers), asyncio.to_thread(in_thread.read))
        for _ in range(4):
            await asyncio.sleep(chance.uniform(0, 0.1))
            await restarted(sth)
        await instance.send_event("finish")
        for data in await reading:
            assert data == numbers(count)
        assert in_thread.received == len(numbers(count))
    assert (await instance.wait(timeout=20)).exitcode == 0


@pytest.mark.slow
@needs_spool
async def test_a_line_or_character_goes_on_where_it_was_lost(sth, lasting, package):
    instance = await (await lasting.send_sequence(package(WAITING))).start()
    output = await instance.get_output(follow=True)
    lines = output.lines()
    reading = asyncio.ensure_future(anext(lines))
    half, rest = "begun, €".encode()[:-1], "€".encode()[-1:] + b" ended\nlast\n"
    await instance.send_input(half, content_type="application/octet-stream", end=False)
    await until(lambda: output.received == len(half))
    await restarted(sth)
    await instance.send_input(rest, content_type="application/octet-stream")
    assert [await reading, *[line async for line in lines]] == ["begun, € ended", "last"]


@pytest.mark.slow
@needs_spool
async def test_a_connection_that_is_cut_again_and_again(sth, lasting, package):
    instance = await (await lasting.send_sequence(package(NUMBERS))).start(args=[100_000])
    told = []
    async with line_to(sth.url) as line, HostClient(line.url) as host:
        remote = host.instance(instance.id)
        readers = [await remote.get_stdout(follow=True), await remote.get_stderr(follow=True)]
        rest = asyncio.gather(*(reader.read() for reader in readers))
        output = bytearray()
        async for chunk in remote.get_output(follow=True, progress=lambda got, total: told.append((got, total))):
            output += chunk
            if len(output) > line.cuts * 90_000:
                line.cut(mended=True)
        assert [output, *await rest] == [numbers(100_000)] * 3
        assert line.cuts > 3
    assert told[-1] == (len(output), None)
    assert told == sorted(told)


@pytest.mark.slow
@needs_spool
async def test_what_the_hub_does_not_keep_is_a_gap_and_told_by_the_byte(sth, lasting, package):
    instance = await (await lasting.send_sequence(package(MUCH))).start()
    async with line_to(sth.url) as line, HostClient(line.url) as host:
        chunks = aiter(host.instance(instance.id).get_output(follow=True))
        before = await anext(chunks)
        line.cut()
        while not isinstance(gap := await read_elsewhere(instance, line, chunks), Gap):
            before += gap
        after = b"".join([chunk async for chunk in chunks])
    whole = numbers(300_000)
    assert gap.missing > 0
    assert before == whole[: len(before)]
    assert after == whole[len(before) + gap.missing :]
    assert f"{gap.missing} bytes are missing" in str(gap)


async def read_elsewhere(instance, line, chunks):
    """The next item, while another reader takes all that there is, and the line is mended only then."""
    waiting = asyncio.ensure_future(anext(chunks))
    await instance.get_output().read()
    line.mend()
    return await waiting


@pytest.mark.slow
@needs_spool
async def test_the_rest_of_an_instance_that_ended_meanwhile(sth, lasting, package):
    instance = await (await lasting.send_sequence(package(WAITING))).start()
    async with line_to(sth.url) as line, HostClient(line.url) as host:
        lines = host.instance(instance.id).get_output(follow=True).lines()
        await instance.send_input("one\n", end=False)
        assert await anext(lines) == "one"
        line.cut()
        await instance.send_input("two\n")
        await instance.wait()
        line.mend()
        assert [line async for line in lines] == ["two"]


@pytest.mark.slow
@needs_spool
async def test_an_instance_that_is_gone_when_the_hub_is_back(sth, package):
    await sth.start("--no-reattach")
    async with HostClient(sth.url) as host:
        instance = await (await host.send_sequence(package(WAITING))).start()
        output = await instance.get_output(follow=True)
        reading = asyncio.ensure_future(output.read())
        await sth.kill()
        await sth.start("--no-reattach", port=sth.port)
        with pytest.raises(errors.NotFoundError, match=r"Instance .* not found") as told:
            await reading
    assert isinstance(told.value.__cause__, errors.RequestError)


async def test_a_cut_line_leaves_no_gap_on_any_hub(client, hub, package):
    instance = await (await client.send_sequence(package(WAITING))).start()
    async with line_to(hub.url) as line, HostClient(line.url) as host:
        output = await host.instance(instance.id).get_output(follow=True)
        lines = output.lines()
        await instance.send_input("one\n", end=False)
        assert await anext(lines) == "one"
        line.cut(mended=True)
        await instance.send_input("two\n")
        assert [line async for line in lines] == ["two"]


@pytest.mark.slow
@needs_spool
async def test_a_wait_goes_on_with_the_next_hub(sth, lasting, package):
    instance = await (await lasting.send_sequence(package(WAITING))).start()
    patient = asyncio.ensure_future(instance.wait(reconnect_timeout=60))
    async with line_to(sth.url) as line, HostClient(line.url) as host:
        late = asyncio.ensure_future(host.instance(instance.id).wait(reconnect_timeout=1))
        await until(lambda: line.ends)
        await restarted(sth)
        line.cut()
        with pytest.raises(errors.HubConnectionError):
            await late
    await instance.send_input("end\n")
    assert (await patient).exitcode == 0


@pytest.mark.slow
@needs_spool
async def test_a_wait_may_begin_while_the_hub_is_away(sth, lasting, package):
    instance = await (await lasting.send_sequence(package(WAITING))).start()
    await sth.kill()
    with pytest.raises(errors.HubConnectionError):
        await instance.wait()
    patient = asyncio.ensure_future(instance.wait(reconnect_timeout=60))
    await sth.start("--reattach", port=sth.port)
    await instance.send_input("end\n")
    assert (await patient).exitcode == 0


async def test_an_end_that_the_hub_has_only_in_its_history(client, package):
    instance = await (await client.send_sequence(package(WAITING))).start()
    waiting = asyncio.ensure_future(instance.wait())
    await instance.wait_running()
    await instance.kill(remove_immediately=True)
    assert (await waiting).exitcode == 137


READY = """
import asyncio, os
async def run(context, input):
    finish = asyncio.Event()
    context.on("finish", lambda _: finish.set())
    yield "begun, "
    async for _ in input:
        pass
    await asyncio.to_thread(os.read, 0, 1)
    context.emit("ready", "it has all")
    await finish.wait()
    yield "ended"
"""


@pytest.mark.slow
@needs_spool
async def test_a_run_goes_on_with_the_next_hub(sth, lasting, package):
    running = asyncio.ensure_future(lasting.run(package(READY)))
    infos = await until(lasting.list_instances)
    instance = lasting.instance(infos[0].id)
    assert await instance.get_event("ready") == "it has all"
    await restarted(sth)
    await instance.send_event("finish")
    done = await running
    assert (done.output, done.returncode) == (b"begun, ended", 0)
    assert await lasting.list_sequences() == []


async def test_a_run_goes_on_over_a_cut_line(hub, client, package):
    async with line_to(hub.url) as line, HostClient(line.url) as host:
        running = asyncio.ensure_future(host.run(package(READY)))
        infos = await until(client.list_instances)
        instance = client.instance(infos[0].id)
        await instance.get_event("ready")
        line.cut(mended=True)
        await instance.send_event("finish")
        assert (await running).output == b"begun, ended"
    assert await client.list_instances() == []


async def test_a_run_does_not_hide_that_something_is_missing(hub, client, package):
    async with line_to(hub.url) as line, HostClient(line.url) as host:
        running = asyncio.ensure_future(host.run(package(MUCH_WHEN_ASKED)))
        infos = await until(client.list_instances)
        instance = client.instance(infos[0].id)
        streams = hub.instances[instance.id].streams
        await until(lambda: streams["output"].readers and streams.input.ended and streams.stdin.ended)
        line.cut()
        await instance.send_event("go")
        await instance.get_output().read()  # another reader takes all that there is
        line.mend()
        with pytest.raises(errors.StreamError, match=r"is missing: \[gap of"):
            await running


@pytest.mark.slow
async def test_a_run_whose_hub_does_not_come_back(sth, package):
    await sth.start("--no-reattach")
    async with HostClient(sth.url) as host:
        running = asyncio.ensure_future(host.run(package(READY), reconnect_timeout=0.2))
        infos = await until(host.list_instances)
        await host.instance(infos[0].id).get_event("ready")
        await sth.kill()
        with pytest.raises(errors.StreamTimeoutError, match="No Hub answers at"):
            await running


@pytest.mark.slow
@needs_spool
async def test_si_follows_output(sth, lasting, package):
    instance = await (await lasting.send_sequence(package(WAITING))).start()
    si = await asyncio.create_subprocess_exec(
        sth.program.with_name("si"), "instance", "output", "--follow", instance.id,
        env={**os.environ, "SCRAMJET_HUB_URL": sth.url}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await instance.send_input("one\nbe", end=False)
    assert await si.stdout.readline() == b"one\n"
    await restarted(sth)
    await instance.send_input("gun\n")
    out, err = await si.communicate()
    assert (out, si.returncode) == (b"begun\n", 0)
    assert b"gap" not in err


async def test_read_does_not_hide_a_gap():
    output = parts(Part(b"1"), Part(b"2", then="end"))
    async with serving(("GET", "/instance/x/output", output)) as server, HostClient(server.url) as host:
        with pytest.raises(errors.StreamError, match=r"is incomplete: \[gap of"):
            await host.instance("x").get_output(follow=True).read()


async def test_what_had_come_and_was_not_read_is_less_than_a_hub_keeps():
    """It is lost with the connection. What a killed Hub had sent is in the kernel, and comes before the loss."""
    total, kept = 500_000, 256 * 1024
    asked, gone = [], asyncio.Event()

    async def output(request):
        asked.append(int(request.headers.get("X-Stream-Position", 0)))
        response = web.StreamResponse(headers={"X-Stream-Position": str(asked[-1])})
        await response.prepare(request)
        await response.write(bytes(total - asked[-1]))
        if len(asked) == 1:
            request.transport.close()
            gone.set()
        return response

    async with serving(("GET", "/instance/x/output", output)) as server, HostClient(server.url) as host:
        follower = await host.instance("x").get_output(follow=True)
        reader = follower._reader
        await gone.wait()
        await until(steady(lambda: reader._response.content.total_bytes))  # as long as more comes though nobody reads
        assert await follower.read() == bytes(total)
    assert len(asked) == 2
    assert total - asked[1] < kept


async def test_another_stream_is_not_taken_for_the_same():
    """What begins before the position that was asked for is that of another Instance with this id."""
    asked = []

    async def output(request):
        asked.append(request.headers.get("X-Stream-Position"))
        response = web.StreamResponse(headers={"X-Stream-Position": "5" if len(asked) == 1 else "2"})
        await response.prepare(request)
        await response.write(b"abc")
        if len(asked) == 1:
            request.transport.close()
        return response

    async with serving(("GET", "/instance/x/output", output)) as server, HostClient(server.url) as host:
        one, gap, two = await collected(host.instance("x").get_output(follow=True).__aiter__(), 3)
    assert (one, gap.missing, two) == (b"abc", None, b"abc")
    assert asked == [None, "8"]


async def test_a_limit_of_time_to_connect_again():
    async with serving(("GET", "/instance/x/output", parts(Part(b"1")))) as server:
        host = HostClient(server.url)
        chunks = aiter(host.instance("x").get_output(follow=True, reconnect_timeout=1))
        assert await anext(chunks) == b"1"
    with pytest.raises(errors.StreamTimeoutError, match=r"reconnecting failed for 1 s: No Hub answers at") as told:
        await anext(chunks)
    assert isinstance(told.value.__cause__, errors.HubConnectionError)
    await host.close()


@pytest.mark.parametrize("ended", ["closed", "cancelled", "too late"])
async def test_ends_while_a_hub_does_not_answer(ended):
    """It accepts the connection, and says nothing more."""
    asked = asyncio.Event()

    async def once(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        if not asked.is_set():
            asked.set()
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
            return
        again.set()
        assert await reader.read() == b""
        gone.set()

    again, gone = asyncio.Event(), asyncio.Event()
    async with raw(once) as url, HostClient(url) as host:
        limit = 0.3 if ended == "too late" else None
        follower = await host.instance("x").get_output(follow=True, reconnect_timeout=limit)
        chunks = aiter(follower)
        assert await anext(chunks) == b"x"
        waiting = asyncio.ensure_future(anext(chunks))
        await again.wait()
        if ended == "closed":
            await follower.close()
        elif ended == "cancelled":
            waiting.cancel()
        error = {"closed": errors.StreamError, "cancelled": asyncio.CancelledError}.get(ended, TimeoutError)
        with pytest.raises(error):
            await waiting
        await gone.wait()
