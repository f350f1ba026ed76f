"""Writing streams: when they are accepted, what slows them, every way to end."""

import asyncio
import contextlib
import gc
import os
import socket

import aiohttp
import pytest
from aiohttp import web
from faulty import raw, serving

from transform_hub import errors
from transform_hub.client import HostClient
from until import steady, until

INFO = {"id": "x", "sequence": {"id": "s", "config": {}}, "status": "running"}
ENDED = {**INFO, "status": "completed", "terminated": {"exitcode": 0, "reason": "done"}}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
OK_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Inbox:
    """An Instance's input that is answered as a Hub does: the head at once, the end when all has been taken."""

    def __init__(self):
        self.data = b""
        self.chunks = []
        self.ended = None
        self.arrived = asyncio.Event()

    async def __call__(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        self.ended = False
        try:
            async for chunk in request.content.iter_any():
                self.data += chunk
                self.chunks.append(chunk)
                self.arrived.set()
        except (web.RequestPayloadError, ConnectionError, asyncio.CancelledError):
            self.ended = "broken off"
            raise
        self.ended = True
        return response


@contextlib.asynccontextmanager
async def inbox(path="/instance/x/input", info=INFO, **options):
    box = Inbox()
    async with (
        serving(("POST", path, box), ("GET", "/instance/x", info)) as box.server,
        HostClient(box.server.url, **options) as host,
    ):
        yield box, host.instance("x")


async def head(reader):
    """The head of a request."""
    return await reader.readuntil(b"\r\n\r\n")


async def test_pieces_arrive_as_they_are_written():
    async with inbox() as (box, instance), instance.open_input("text/plain") as writer:
        await until(lambda: box.ended is False)  # the head came although nothing was written
        await writer.write("zwölf ")
        await box.arrived.wait()
        assert box.data == "zwölf ".encode()
        await writer.write(b"two ")
        await writer.write(b"")
        await writer.write(bytearray(b"three "))
        await writer.write(memoryview(b"four"))
        await until(lambda: box.data.endswith(b"four"))
        assert box.ended is False
        await writer.close()
        assert box.ended is True
        await writer.close()
        with pytest.raises(errors.StreamError, match="closed here"):
            await writer.write(b"more")
    assert box.data == "zwölf two three four".encode()
    [request] = box.server.of("/input")
    assert request.headers["Content-Type"] == "text/plain"
    assert request.headers["Expect"] == "100-continue"
    assert request.headers["x-end-stream"] == "true"


async def test_headers_of_uploads():
    async with inbox() as (box, instance):
        await instance.send_input("text", end=False)
        await instance.send_input(b"bytes")
        await instance.send_input(b"{}", content_type="application/x-ndjson")
        async with instance.open_input(end=False):
            pass
    seen = [
        (request.headers["Content-Type"], request.headers["x-end-stream"], request.headers.get("Content-Length"))
        for request in box.server.of("/input")
    ]
    assert seen == [
        ("text/plain", "false", "4"),
        ("application/octet-stream", "true", "5"),
        ("application/x-ndjson", "true", "2"),
        ("application/octet-stream", "false", None),
    ]
    async with inbox("/instance/x/stdin") as (box, instance):
        await instance.send_stdin("text", end=False)
        async with instance.open_stdin() as writer:
            await writer.write("more")
    assert [request.headers["Content-Type"] for request in box.server.of("/stdin")] == ["application/octet-stream"] * 2
    assert box.data == b"textmore"


async def test_everything_that_can_be_sent(tmp_path):
    data = os.urandom(1_000_000)
    (tmp_path / "file").write_bytes(data)

    async def chunks():
        for start in range(0, len(data), 77_777):
            yield data[start : start + 77_777]

    with (tmp_path / "file").open("rb") as file:
        for sent in (data, tmp_path / "file", file, [data[:5], data[5:]], chunks()):
            async with inbox() as (box, instance):
                await instance.send_input(sent)
            assert box.data == data
            assert box.ended is True


async def test_an_empty_body():
    async with inbox() as (box, instance):
        await instance.send_input(b"")
        await instance.send_input([])
    assert box.data == b""
    assert box.ended is True


@pytest.mark.parametrize("status", [404, 405, 406, 409])
@pytest.mark.parametrize("way", ["open", "with", "write", "close", "send"])
async def test_an_error_instead_of_100_continue(status, way):
    async def refuse(request):
        raise web.HTTPException

    async def expect(request):
        response = web.json_response({"error": "Input provided in other way"}, status=status)
        await response.prepare(request)
        await response.write_eof()
        return response

    async with (
        serving(("POST", "/instance/x/input", refuse), expect=expect) as server,
        HostClient(server.url) as host,
    ):
        writer = host.instance("x").open_input()
        with pytest.raises(errors.error_class(status), match="other way"):
            if way == "open":
                await writer
            elif way == "with":
                async with writer:
                    pass
            elif way == "write":
                await writer.write(b"x")
            elif way == "close":
                await writer.close()
            else:
                await host.instance("x").send_input(b"x" * 5_000_000)


async def test_no_file_stays_open_after_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 5_000_000)
    async with serving() as server, HostClient(server.url) as host:
        with pytest.raises(errors.NotFoundError):
            await host.instance("x").send_input(tmp_path / "file")
    gc.collect()  # would warn


async def test_an_error_in_the_midst_of_writing():
    """The Hub answers and reads no more, but leaves the connection open: the writer must not wait for ever."""

    async def refuse(reader, writer):
        await head(reader)
        writer.write(CONTINUE)
        await reader.readexactly(100_000)
        writer.transport.pause_reading()
        writer.write(b'HTTP/1.1 409 Conflict\r\ncontent-length: 17\r\n\r\n{"error": "full"}')
        await asyncio.Event().wait()

    async with raw(refuse) as url, HostClient(url) as host:
        writer = await host.instance("x").open_input()

        async def write():
            while True:
                await writer.write(b"x" * 100_000)

        with pytest.raises(errors.ConflictError, match="full"):
            await write()
        with pytest.raises(errors.ConflictError, match="full"):
            await writer.close()


async def test_an_error_before_close():
    async def refuse(reader, writer):
        await head(reader)
        writer.write(CONTINUE)
        await reader.readexactly(6)
        writer.write(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with raw(refuse) as url, HostClient(url) as host:
        writer = await host.instance("x").open_input()
        await writer.write(b"x")
        with pytest.raises(errors.ServerError, match="Oh"):
            await writer.close()


async def test_an_error_after_the_whole_body():
    async def refuse(request):
        await request.read()
        return web.json_response({"error": "no"}, status=422)

    async with serving(("POST", "/instance/x/input", refuse)) as server, HostClient(server.url) as host:
        with pytest.raises(errors.UnprocessableError, match="no"):
            await host.instance("x").send_input(b"x" * 1000)


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize(("info", "error"), [(INFO, errors.StreamError), (ENDED, errors.InstanceEndedError)])
@pytest.mark.parametrize("way", ["write", "close"])
async def test_the_hub_drops_the_connection(answered, info, error, way):
    async def drop(request):
        if answered:
            await web.StreamResponse().prepare(request)
        await request.content.readany()
        request.transport.abort()
        return web.Response()

    async with (
        serving(("POST", "/instance/x/input", drop), ("GET", "/instance/x", info)) as server,
        HostClient(server.url) as host,
    ):
        writer = await host.instance("x").open_input()

        async def write():
            await writer.write(b"x")
            if way == "close":
                await writer.close()
            while True:
                await writer.write(b"x" * 1000)
                await asyncio.sleep(0)

        with pytest.raises(errors.StreamError, match=r"connection was lost|exit code 0: done") as raised:
            await write()
        assert type(raised.value) is error


async def test_a_drop_wakes_a_writer_that_waits():
    async def drop(reader, writer):
        await head(reader)
        writer.write(CONTINUE + OK_HEAD)
        writer.transport.pause_reading()
        await blocked.wait()
        writer.transport.abort()

    blocked = asyncio.Event()
    async with raw(drop) as url, HostClient(url) as host:
        writer = await host.instance("x").open_input()

        async def write():
            nonlocal written
            while True:
                await writer.write(b"x" * 100_000)
                written += 1

        written = 0
        writing = asyncio.ensure_future(write())
        await until(steady(lambda: written))
        assert not writing.done()
        blocked.set()
        with pytest.raises(errors.StreamError, match="connection was lost"):
            await writing


async def test_the_hub_is_done_before_the_writer_is():
    async def enough(request):
        await request.content.readany()
        return web.Response()

    async with (
        serving(("POST", "/instance/x/input", enough), ("GET", "/instance/x", INFO)) as server,
        HostClient(server.url) as host,
    ):
        writer = await host.instance("x").open_input()

        async def write():
            while True:
                await writer.write(b"x" * 1000)
                await asyncio.sleep(0)

        with pytest.raises(errors.StreamError):
            await write()


async def test_leaving_by_exception_is_no_clean_end():
    async with inbox() as (box, instance):
        with pytest.raises(KeyError):
            async with instance.open_input() as writer:
                await writer.write(b"half")
                await until(lambda: box.data == b"half")
                raise KeyError
        await until(lambda: box.ended)
        assert box.ended == "broken off"


async def test_a_writer_that_is_dropped_is_no_clean_end():
    async with inbox() as (box, instance):
        writer = await instance.open_input()
        await writer.write(b"half")
        await until(lambda: box.data == b"half")
        del writer
        gc.collect()
        await until(lambda: box.ended)
        assert box.ended == "broken off"


async def test_a_source_that_fails_is_no_clean_end():
    async def source():
        yield b"half"
        await until(lambda: box.data == b"half")
        raise KeyError("source")

    async with inbox() as (box, instance):
        with pytest.raises(KeyError, match="source"):
            await instance.send_input(source())
        await until(lambda: box.ended)
        assert box.ended == "broken off"


async def test_cancelling_is_no_clean_end():
    async with inbox() as (box, instance):

        async def write():
            async with instance.open_input() as writer:
                await writer.write(b"half")
                await asyncio.Event().wait()

        writing = asyncio.ensure_future(write())
        await until(lambda: box.data == b"half")
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await until(lambda: box.ended)
        assert box.ended == "broken off"


async def test_writing_after_abort():
    async with inbox() as (_, instance):
        writer = await instance.open_input()
        writer.abort()
        with pytest.raises(errors.StreamError, match="closed here"):
            await writer.write(b"x")
        with pytest.raises(errors.StreamError, match="closed here"):
            await writer.close()


async def test_a_file_that_changes_its_size(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    for content in (b"x" * 999, b"x" * 1001):
        async with inbox() as (box, instance):
            path.write_bytes(b"x" * 1000)
            from transform_hub.client.body import body_of

            body = body_of(path)
            path.write_bytes(content)
            with pytest.raises(errors.StreamError, match="changed its size"):
                await instance._send("input", body, "text/plain", end=True)
            await until(lambda: box.ended)
            assert box.ended == "broken off"


async def test_a_hub_that_pushes_back():
    """The server does not read: the writer waits, and holds no more than the connection's buffers."""
    taken = []

    async def stuck(reader, writer):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        await head(reader)
        writer.write(CONTINUE + OK_HEAD)
        writer.transport.pause_reading()
        await go_on.wait()
        writer.transport.resume_reading()
        tail = b""
        while not tail.endswith(b"0\r\n\r\n"):
            chunk = await reader.read(1 << 20)
            taken.append(len(chunk))
            tail = (tail + chunk)[-5:]
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    written = 0
    go_on = asyncio.Event()
    async with raw(stuck) as url, HostClient(url) as host:

        async def write():
            nonlocal written
            async with host.instance("x").open_input() as writer:
                for _ in range(3000):
                    await writer.write(b"x" * 10_000)
                    written += 10_000
                # One chunk larger than all buffers, too.
                await writer.write(b"x" * 20_000_000)

        writing = asyncio.ensure_future(write())
        await until(steady(lambda: written))
        assert written < 10_000_000  # the kernel's buffers on both sides
        transports = [
            protocol.transport
            for pool, _ in host.transport._sessions._pools.values()
            for protocol in pool.session.connector._acquired
        ]
        assert sum(transport.get_write_buffer_size() for transport in transports) < 600_000
        assert not writing.done()
        go_on.set()
        await writing
    assert sum(taken) > 50_000_000


async def test_giving_up_on_a_hub_that_takes_nothing_drops_the_connection():
    """What waits to be sent must not keep the connection."""

    async def stuck(reader, writer):
        await head(reader)
        writer.write(CONTINUE + OK_HEAD)
        writer.transport.pause_reading()
        await asyncio.Event().wait()

    async def give(instance):
        async with instance.open_input() as writer:
            with contextlib.suppress(asyncio.TimeoutError):
                while True:
                    await asyncio.wait_for(writer.write(b"x" * 100_000), 0.05)
            transports.append(writer._upload._body.opened.result().transport)
            closing.set()

    transports = []
    closing = asyncio.Event()
    async with raw(stuck) as url, HostClient(url) as host:
        giving = asyncio.ensure_future(give(host.instance("x")))
        await closing.wait()
        await asyncio.sleep(0)
        assert not giving.done()
        giving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await giving
        await until(lambda: transports[0].get_extra_info("socket").fileno() == -1)


async def test_a_cancelled_write_leaves_the_stream_usable():
    async with inbox() as (box, instance), instance.open_input() as writer:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(writer.write(b"a"), 0)
        await writer.write(b"b")
        await writer.close()
        assert box.data in (b"ab", b"b")


async def test_a_hub_that_does_not_take_the_stream_in_time():
    async def silent(reader, _writer):
        await head(reader)
        await asyncio.Event().wait()

    async with raw(silent) as url, HostClient(url, timeout=0.1) as host:
        with pytest.raises(errors.HubTimeoutError, match=r"did not take the stream within 0\.1 s"):
            await host.instance("x").open_input()


async def test_something_that_swallows_100_continue(monkeypatch):
    monkeypatch.setattr("transform_hub.client.upload.GRACE", 0.05)

    async def early(reader, writer):
        await head(reader)
        writer.write(OK_HEAD)
        await asyncio.Event().wait()

    async with raw(early) as url, HostClient(url) as host:
        with pytest.raises(errors.StreamError, match="without asking for the data"):
            await host.instance("x").open_input()


async def test_100_continue_and_the_head_in_one_packet():
    got = []

    async def both(reader, writer):
        await head(reader)
        writer.write(CONTINUE + OK_HEAD)
        got.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(b"0\r\n\r\n")

    async with raw(both) as url, HostClient(url) as host:
        await host.instance("x").send_input(iter([b"data"]))
    assert got == [b"4\r\ndata\r\n0\r\n\r\n"]


async def test_a_fresh_token_is_used_before_the_body_begins():
    """What can be sent only once is sent, as the Hub refuses before it asks for the body."""
    tokens = iter(["old", "new"])

    async def expect(request):
        if request.headers["Authorization"] != "Bearer new":
            raise web.HTTPUnauthorized
        await request.writer.write(CONTINUE)
        request.writer.output_size = 0

    async def chunks():
        yield b"once"

    box = Inbox()
    async with (
        serving(("POST", "/instance/x/input", box), expect=expect) as server,
        HostClient(server.url, token=lambda: next(tokens)) as host,
    ):
        await host.instance("x").send_input(chunks())
    assert box.data == b"once"


async def test_a_body_that_has_begun_is_not_sent_again_with_a_fresh_token():
    tokens, bodies = [], []

    async def refuse(request):
        bodies.append(await request.content.readany())
        return web.json_response({"error": "expired"}, status=401)

    def token():
        tokens.append(1)
        return "t"

    async with (
        serving(("POST", "/instance/x/input", refuse), ("GET", "/instance/x", INFO)) as server,
        HostClient(server.url, token=token) as host,
    ):
        with pytest.raises(errors.AuthenticationError):
            await host.instance("x").send_input([b"once"])
    assert bodies == [b"once"]
    assert len(server.of("/input")) == 1


async def test_two_tasks_may_write():
    async with inbox() as (box, instance), instance.open_input() as writer:
        await asyncio.gather(writer.write(b"a" * 1000), writer.write(b"b" * 1000))
        await writer.close()
        assert len(box.server.of("/input")) == 1
        assert sorted(box.data) == sorted(b"a" * 1000 + b"b" * 1000)


@pytest.mark.parametrize("status", [200, 422])
async def test_aborting_late_leaves_the_connection_to_the_next_call(status):
    async def whole(request):
        await request.read()
        return web.json_response({"error": "no"}, status=status)

    async def slow(request):
        await asyncio.sleep(0.05)  # the next call comes meanwhile
        return web.json_response(INFO)

    routes = [("POST", "/instance/x/input", whole), ("POST", "/instance/x/_kill", slow)]
    async with serving(*routes) as server, HostClient(server.url) as host:
        writer = await host.instance("x").open_input()
        with contextlib.suppress(errors.UnprocessableError):
            await writer.close()
        killing = asyncio.ensure_future(host.instance("x").kill())
        await until(lambda: server.of("_kill"))
        writer.abort()
        assert (await killing).id == "x"
        assert len(server.connections) == 1


class LosingConnector(aiohttp.TCPConnector):
    """Loses each connection before anything is written to it, as one does that the Hub has just closed."""

    async def connect(self, *args, **options):
        connection = await super().connect(*args, **options)
        connection.transport.abort()
        return connection


async def test_no_task_that_nobody_looks_at_fails_with_a_connection_that_is_lost_at_once():
    tasks = []

    def noted(loop, coroutine, **options):
        tasks.append(asyncio.Task(coroutine, loop=loop, **options))
        return tasks[-1]

    async with inbox() as (box, _), LosingConnector() as connector:
        host = HostClient(box.server.url)
        host.transport._sessions._connector = connector
        asyncio.get_running_loop().set_task_factory(noted)
        with pytest.raises(errors.HubError):
            await host.instance("x").send_input("lost\n")
        await host.close()
    failures = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    assert not [failure for failure in failures if isinstance(failure, aiohttp.ClientError)]
