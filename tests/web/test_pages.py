"""Pages of other sites and a Hub without a token, in Chromium: each way of a page to send a request has its own topic.

Reading a topic, or writing to it, creates it: so the list of topics tells which of them got through.
"""

import asyncio
import contextlib
import itertools
import signal

import aiohttp
import msgspec
import pytest
from aiohttp import web
from yarl import URL

from needs import needs_program
from transform_hub.hub.server import serve
from transform_hub.models import AuditRecord
from until import until

CHROMIUM = needs_program("chromium")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-popup-blocking",
    "--no-proxy-server", "--no-first-run", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP *.example 127.0.0.1, MAP hub 127.0.0.1",
)  # fmt: skip
SITE = "site.example"

# Chromium has six connections to a name at most, and some of these requests never end: so each has a name of its own.
PAGE = """<!doctype html>
<img src="URL(image)">
<img src="URL(unreferred)" referrerpolicy="no-referrer">
<div style="background: url(URL(background))">.</div>
<script async src="URL(script)"></script>
<script async type="module" src="URL(module)"></script>
<link rel="stylesheet" media="print" href="URL(style)">
<link rel="prefetch" href="URL(prefetch)">
<video src="URL(video)"></video>
<object data="URL(object)"></object>
<embed src="URL(embed)">
<iframe src="URL(frame)"></iframe>
<iframe srcdoc="<img src='URL(sourceless)'>"></iframe>
<iframe sandbox="allow-scripts" srcdoc="<script>fetch('URL(sandboxed)', {mode: 'no-cors'})</script>"></iframe>
<img src="/redirect?to=URL(redirected)">
<form id="asking" target="one" action="URL(form)"></form><iframe name="one"></iframe>
<form id="posting" target="two" action="URL(post)" method="post" enctype="text/plain"></form>
<iframe name="two"></iframe>
<script>
  asking.submit(); posting.submit();
  fetch("URL(fetch)").catch(() => 0);
  fetch("URL(opaque)", {mode: "no-cors"});
  fetch("URL(opaque-post)", {mode: "no-cors", method: "POST", body: "a line\\n"});
  navigator.sendBeacon("URL(beacon)", "a line\\n");
  new WebSocket("URL(socket)".replace("http:", "ws:"));
  window.open("URL(tab)");
  window.open("/redirect?to=URL(redirected-tab)");
</script>
"""
WAYS = {piece.partition(")")[0] for piece in PAGE.split("URL(")[1:]} | {"typed"}


@contextlib.asynccontextmanager
async def served(page):
    """A site with that page at any path, which sends visitors of /redirect elsewhere; its port."""

    async def answer(request):
        if request.path == "/redirect":
            raise web.HTTPFound(request.query["to"])
        return web.Response(text=page, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
async def chromium(tmp_path):
    """Opens an address as if it was typed; with ``--dump-dom`` it ends by itself and has written the page."""
    number = itertools.count()
    async with contextlib.AsyncExitStack() as ends:

        async def chromium(*arguments):
            profile = f"--user-data-dir={tmp_path / f'profile-{next(number)}'}"
            process = await asyncio.create_subprocess_exec(
                CHROMIUM, *OPTIONS, profile, *arguments,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            ends.push_async_callback(_end, process)
            return process

        yield chromium


async def _end(process):
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    await process.communicate()


@pytest.fixture
async def visit(chromium):
    """Opens a page of another site that tries everything at a Hub, which it knows by names below a domain."""
    async with contextlib.AsyncExitStack() as ends:

        async def visit(hub, domain):
            page, topics = PAGE, {way: f"{url_of(hub, f'{way}.{domain}')}/topic/{way}" for way in WAYS}
            for way, topic in topics.items():
                page = page.replace(f"URL({way})", topic)
            site = f"http://{SITE}:{await ends.enter_async_context(served(page))}"
            await chromium(f"{site}/")
            await chromium(f"{site}/redirect?to={topics['typed']}")

        yield visit


def url_of(hub, name):
    return f"http://{name}:{URL(hub.url).port}/api/v1"


async def answered(hub, ways):
    """Wait until the Hub has answered requests for the topics of those names."""
    async with aiohttp.ClientSession() as session, session.get(f"{hub.url}/audit") as audit:
        left = set(ways)
        while left:
            record = msgspec.json.decode(await audit.content.readline(), type=AuditRecord)
            if record.op_state == "END":
                left.discard(record.object_id)


async def topics(hub):
    async with aiohttp.ClientSession() as session, session.get(f"{hub.url}/topics") as answer:
        return {topic["topicName"] for topic in await answer.json()}


@pytest.mark.parametrize("domain", ["localhost", "elsewhere.example"])
async def test_each_way_reaches_a_hub_that_lets_all_pages_in(tmp_path, visit, domain):
    async with serve(data_dir=tmp_path / "hub", cors_origins=("*",)) as hub:
        await visit(hub, domain)

        async def all_got_through():
            return await topics(hub) == WAYS

        await until(all_got_through, pause=0.1)


@pytest.mark.parametrize("domain", ["localhost", "elsewhere.example"])  # Sec-Fetch-* goes to the first alone
async def test_no_way_takes_or_creates_anything_on_a_hub_without_a_token(tmp_path, visit, domain):
    async with serve(data_dir=tmp_path / "hub", insecure=True) as hub:  # which has any name
        await visit(hub, domain)
        await answered(hub, WAYS)
        assert await topics(hub) == set()


@pytest.mark.parametrize(
    ("name", "path", "shown"),
    [
        ("localhost", "version", "apiVersion"),
        ("127.0.0.1", "version", "apiVersion"),
        ("hub", "version", "is not known as"),
        ("rebound.example", "version", "is not known as"),
        ("localhost", "topic/typed", "A page of another site may be behind this"),
    ],
)
async def test_what_the_user_opens(tmp_path, chromium, name, path, shown):
    async with serve(data_dir=tmp_path / "hub") as hub:
        process = await chromium("--dump-dom", f"{url_of(hub, name)}/{path}")
        page, _ = await process.communicate()
        assert shown in page.decode()
        assert await topics(hub) == set()


async def test_pages_of_this_machine_take_what_they_like(tmp_path, chromium):
    async with serve(data_dir=tmp_path / "hub") as hub, contextlib.AsyncExitStack() as ends:
        image, taken = (f"{url_of(hub, 'localhost')}/topic/{name}" for name in ("image", "taken"))
        page = f"<img src='{image}'><script>fetch('{taken}')</script>"
        site = await ends.enter_async_context(served(page))
        await chromium(f"http://localhost:{site}/")

        async def both_got_through():
            return await topics(hub) == {"image", "taken"}

        await until(both_got_through, pause=0.1)
