"""Our client and a Hub with a proxy between them, set up as docs/proxies.md says."""

import asyncio
import contextlib
import re
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest

from needs import needs_program
from sth_process import Sth
from transform_hub.client import HostClient
from transform_hub.errors import ConflictError, StreamError
from until import until

PAGE = Path(__file__).parents[2] / "docs/proxies.md"
ECHO = "async def run(context, input):\n    async for line in input:\n        yield line"
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    {settings}
}}
"""
STARTED = {"nginx": (NGINX, ["-c"]), "haproxy": ("{settings}\n", ["-db", "-f"])}
LISTENING = {"listen 8080": "listen unix:{socket}", "bind :8080": "bind unix@{socket}"}  # there is no race for sockets


def settings_of(name, replaced):
    settings = re.search(f"```{name}\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    for old, new in replaced.items():
        assert old in settings, old
        settings = settings.replace(old, new)
    for old, new in LISTENING.items():
        settings = settings.replace(old, new)
    return settings


def listens(path):
    with socket.socket(socket.AF_UNIX) as attempt:
        return attempt.connect_ex(str(path)) == 0


@contextlib.asynccontextmanager
async def behind(name, hub, **replaced):
    """A client of a Hub behind a proxy, in whose settings these words are replaced."""
    frame, options = STARTED[name]
    program = needs_program(name)
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket has to be short
        path, file = Path(folder, "socket"), Path(folder, "settings")
        settings = settings_of(name, {"127.0.0.1:8000": f"127.0.0.1:{hub.port}", **replaced})
        file.write_text(frame.format(settings=settings, folder=folder).replace("{socket}", str(path)))
        process = subprocess.Popen([program, *options, file])
        try:
            await until(lambda: process.poll() is not None or listens(path))
            assert process.poll() is None
            async with HostClient(f"http+unix://{quote(str(path), safe='')}/hub/api/v1") as client:
                yield client
        finally:
            process.kill()
            process.wait()


@pytest.fixture(params=STARTED)
def name(request):
    return request.param


@pytest.fixture
def start(package, tmp_path):
    """Sends a Sequence with a client, and starts it."""

    async def start(client, source=ECHO):
        file = tmp_path / "package.tar.gz"
        file.write_bytes(package(source))
        return await (await client.send_sequence(file)).start()

    return start


async def test_lines_pass_at_once_both_ways(hub, name, start):
    async with behind(name, hub) as client:
        instance = await start(client)
        async with instance.open_input("text/plain") as writer, instance.get_output() as output:
            lines = output.lines()
            for line in "one", "two", "three":
                await writer.write(f"{line}\n")
                assert await anext(lines) == line


async def test_a_conversation(hub, name, start):
    async with behind(name, hub) as client, (await start(client)).inout("text/plain") as both:
        lines = both.lines()
        for line in "one", "two":
            await both.write(f"{line}\n")
            assert await anext(lines) == line
        await both.close_input()
        assert [line async for line in lines] == []


async def test_a_topic(hub, name):
    async with behind(name, hub) as client:
        topic = client.topic("orders", "text/plain")
        async with topic.open() as writer, topic.get() as reader:
            await writer.write("one\n")
            assert await anext(reader.lines()) == "one"


async def test_much_data_and_refusals_in_the_words_of_the_hub(hub, name, start):
    data = b"0123456789abcde\n" * 500_000
    async with behind(name, hub) as client:
        instance = await start(client)
        _, output = await asyncio.gather(
            instance.send_input(data, content_type="text/plain"), instance.get_output().read()
        )
        assert output == data
        await instance.wait()
        with pytest.raises(ConflictError, match="The Instance is completed"):
            await instance.send_input(data)


async def test_the_hub_asks_for_each_body(hub, name, start):
    async with behind(name, hub) as client:
        instance = await start(client)
        for _ in range(40):  # HAProxy swallowed every fourth 100 Continue
            async with instance.open_input("text/plain", end=False) as writer:
                await writer.write("a line\n")
        await instance.send_input("the end\n")
        assert await instance.get_output().read() == b"a line\n" * 40 + b"the end\n"


async def test_a_silent_stream_that_is_cut_is_an_error_and_followed_goes_on(hub, name, start, caplog):
    async with behind(name, hub, **{"1h": "1s"}) as client:
        instance = await start(client)
        await instance.send_input("one\n", end=False)
        async with instance.get_output() as output:
            lines = output.lines()
            assert await anext(lines) == "one"
            with pytest.raises(StreamError, match="broke off"):
                await anext(lines)
        followed = asyncio.ensure_future(instance.get_output(follow=True).read())
        await until(lambda: "Stream lost, reconnecting" in caplog.text)
        await instance.send_input("two\n")
        assert await followed == b"two\n"  # without a gap


async def test_a_lost_end_behind_http_1_0_is_no_end(tmp_path, start):
    sth = await asyncio.to_thread(Sth("-P", 0, "-D", tmp_path / "hub", stderr=subprocess.DEVNULL).run)
    try:
        async with behind("nginx", sth, **{"proxy_http_version 1.1;": ""}) as client:
            for options in {}, {"follow": True}:
                whole = await start(client)
                await whole.send_input("one\n")
                assert await whole.get_output(**options).read() == b"one\n"
            instance = await start(client)
            await instance.send_input("one\n", end=False)
            async with instance.get_output() as output:
                lines = output.lines()
                assert await anext(lines) == "one"
                sth.kill()
                with pytest.raises(StreamError, match="a proxy on the way has hidden"):
                    await anext(lines)
    finally:
        sth.kill()
