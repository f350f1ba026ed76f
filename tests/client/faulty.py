"""Small servers with whatever fault a test needs."""

import asyncio
import contextlib

from aiohttp import web


class Server:
    """Counts requests, and answers them with the handlers a test gives."""

    def __init__(self):
        self.url = ""
        self.requests = []
        self.connections = set()

    def of(self, path):
        return [request for request in self.requests if request.path.endswith(path)]


@contextlib.asynccontextmanager
async def serving(*routes, expect=None, ssl_context=None):
    """Serve ``("GET", "/version", handler)`` below /api/v1; a handler may also be a response's JSON."""
    server = Server()

    def wrapped(handler):
        async def handle(request):
            server.requests.append(request)
            server.connections.add(request.transport)
            return await handler(request) if callable(handler) else web.json_response(handler)

        return handle

    app = web.Application()
    for method, path, handler in routes:
        options = {"expect_handler": expect} if expect else {}
        app.router.add_route(method, "/api/v1" + path, wrapped(handler), **options)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context)
    await site.start()
    scheme = "https" if ssl_context else "http"
    server.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/api/v1"
    try:
        yield server
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw(handle):
    """A TCP server on a free port, for what a web framework would not do; gives its URL."""

    async def connected(reader, writer):
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    tasks = set()

    def accept(reader, writer):
        task = asyncio.ensure_future(connected(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def client_tasks():
    """What a client does in the background; the servers of a test have tasks in the same loop."""
    return {task for task in asyncio.all_tasks() if "transform_hub/client" in task.get_coro().cr_code.co_filename}


class Line:
    """A line to a server that can be cut, and mended; see :func:`line_to`."""

    def __init__(self, url):
        self.host, _, rest = url.removeprefix("http://").partition(":")
        self.port, _, self.path = rest.partition("/")
        self.is_cut = False
        self.ends = set()
        self.cuts = 0

    async def carry(self, reader, writer):
        if self.is_cut:
            return writer.transport.abort()
        far = await asyncio.open_connection(self.host, self.port)
        ends = {writer.transport, far[1].transport}
        self.ends |= ends
        try:
            await asyncio.gather(_pipe(reader, far[1]), _pipe(far[0], writer))
        finally:
            for end in ends:
                end.abort()
            self.ends -= ends

    def cut(self, *, mended=False):
        self.is_cut = not mended
        self.cuts += 1
        for end in self.ends:
            end.abort()

    def mend(self):
        self.is_cut = False


@contextlib.asynccontextmanager
async def line_to(url):
    """A line to the server at a URL; its own is ``line.url``."""
    line = Line(url)
    async with raw(line.carry) as near:
        line.url = near
        yield line


async def _pipe(reader, writer):
    while data := await reader.read(64 * 1024):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
