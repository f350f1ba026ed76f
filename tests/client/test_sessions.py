"""The life of connections: pooled, one pool for each event loop, and nothing left behind."""

import asyncio
import contextlib
import gc
import json
import subprocess
import sys
import textwrap
import threading
import weakref
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from debug_mode import complaints
from transform_hub import errors
from transform_hub.client import HostClient
from until import until_sync

DESCRIPTORS = Path("/proc/self/fd")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.endswith("/output"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"first\n")
            self.wfile.flush()
            self.rfile.read(1)  # until the client goes away
            self.close_connection = True
            return
        body = json.dumps({"service": "s", "apiVersion": "v1", "version": "1"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.rfile.read()  # until the client goes away
        self.close_connection = True

    def setup(self):
        super().setup()
        self.server.connections += 1

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """In a thread, as these tests have event loops of their own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.connections = 0
        running.url = f"http://127.0.0.1:{running.server_port}/api/v1"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def descriptors():
    gc.collect()
    return sum(1 for _ in DESCRIPTORS.iterdir())


async def test_calls_share_a_connection(server):
    async with HostClient(server.url) as host:
        for _ in range(10):
            await host.get_version()
        assert server.connections == 1
        await asyncio.gather(*(host.get_version() for _ in range(5)))
        assert server.connections <= 5


def test_one_client_in_many_event_loops(server):
    host = HostClient(server.url)

    async def use():
        await asyncio.gather(host.get_version(), host.get_version())
        reader = await host.instance("x").get_output()
        return await anext(aiter(reader))

    for _ in range(3):
        assert asyncio.run(use()) == b"first\n"


def test_it_is_usable_after_it_was_closed(server):
    host = HostClient(server.url)

    async def use():
        async with host:
            await host.get_version()
        await host.get_version()
        await host.close()
        await host.close()

    asyncio.run(use())
    assert server.connections == 2


@pytest.mark.slow
@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="counts descriptors the Linux way")
def test_nothing_leaks(server):
    """Closed, not closed, with streams read in part and never: 50 times each."""
    kept = []
    shared = HostClient(server.url)

    async def use(host, close):
        await host.get_version()
        opened = await host.instance("x").get_output()
        async for _ in host.instance("y").get_output().lines():
            break
        await host.instance("z").get_output()
        writer = await host.instance("z").open_input()
        await writer.write(b"x")
        if close:
            await host.close()
        else:
            kept[:] = [opened]

    asyncio.run(use(HostClient(server.url), close=False))
    before = descriptors()
    loops = []
    for number in range(50):
        host = shared if number % 3 == 2 else HostClient(server.url)
        with contextlib.closing(asyncio.new_event_loop()) as loop:
            loops.append(weakref.ref(loop))
            loop.run_until_complete(use(host, close=number % 3 == 1))
            loop.run_until_complete(loop.shutdown_asyncgens())
        del loop, host
    kept.clear()
    until_sync(lambda: descriptors() <= before + 2)  # when the server's threads have seen that their clients are gone
    assert sum(loop() is not None for loop in loops) <= 1


SCRIPTS = {
    "run, never closed": """
        host = HostClient(url)
        asyncio.run(host.get_version())
        asyncio.run(host.get_version())
    """,
    "a stream left open": """
        host = HostClient(url)
        async def main():
            global reader, writer
            reader = await host.instance("x").get_output()
            await anext(aiter(reader))
            reader = await host.instance("x").get_output()
        asyncio.run(main())
    """,
    "writers left open": """
        host = HostClient(url)
        async def main():
            global writer
            writer = await host.instance("x").open_input()
            await writer.write(b"x")
            dropped = await host.instance("x").open_input()
            both = await host.instance("x").inout()
            await host.instance("x").inout()
        asyncio.run(main())
    """,
    "the client dropped in a cycle": """
        async def main():
            class Owner: pass
            owner = Owner()
            owner.me, owner.host = owner, HostClient(url)
            await owner.host.get_version()
            owner.reader = await owner.host.instance("x").get_output()
            del owner
            gc.collect()
            await asyncio.sleep(0)
        asyncio.run(main())
    """,
    "a loop by hand, client dropped": """
        loop = asyncio.new_event_loop()
        host = HostClient(url)
        loop.run_until_complete(host.get_version())
        del host
        gc.collect()
        loop.close()
    """,
    "an exception ends it": """
        host = HostClient(url)
        async def main():
            reader = await host.instance("x").get_output()
            async for line in reader.lines():
                raise KeyError(line)
        try:
            asyncio.run(main())
        except KeyError:
            pass
    """,
    "cancelled in the middle": """
        host = HostClient(url)
        async def main():
            async with host.instance("x").get_output() as reader:
                async for chunk in reader:
                    pass
        async def outer():
            task = asyncio.ensure_future(main())
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait({task})
        asyncio.run(outer())
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_no_warning_in_development_mode(server, name):
    run_script(SCRIPTS[name], server.url, "-X", "dev", "-W", "error")


def test_a_loop_that_nobody_closes_says_nothing(server):
    script = """
        loop = asyncio.new_event_loop()
        host = HostClient(url)
        loop.run_until_complete(host.get_version())
    """
    run_script(script, server.url)


def run_script(script, url, *options):
    code = "import asyncio, gc, sys\nfrom transform_hub.client import HostClient\nurl = sys.argv[1]\n"
    code += textwrap.dedent(script)
    run = [sys.executable, *options, "-c", code, url]
    done = subprocess.run(run, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, complaints(done.stderr), done.returncode) == ("", "", 0)


async def test_closing_ends_what_is_under_way(server):
    host = HostClient(server.url)
    reader = await host.instance("x").get_output()
    chunks = aiter(reader)
    await anext(chunks)
    waiting = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    await host.close()
    with pytest.raises(errors.StreamError):
        await waiting
