"""Standard streams that nobody reads stop no Sequence, and output that goes to a topic goes to readers, too."""

import asyncio
import json
import shutil

import pytest

from transform_hub import HostClient
from transform_hub.hub.channels.memory import UNREAD_LIMIT
from transform_hub.hub.reattach.ring import can_spool
from transform_hub.hub.server import serve
from transform_hub.models.rules import POSITION

pytestmark = pytest.mark.slow

LINES = 200_000
SIZE = LINES * 100
STREAMS = ["stdout", "stderr"]
PYTHON = """
import sys
async def run(context, input, name, lines):
    for number in range(lines):
        print(f"{number:099d}", file=getattr(sys, name))
    yield "done"
"""
NODE = """
module.exports = function* (input, name, lines) {
    for (let number = 0; number < lines; number++) process[name].write(String(number).padStart(99, "0") + "\\n");
    yield "done";
};
"""
PROVIDES = """
provides = {"provides": "numbers", "contentType": "text/plain"}
async def run(context, input, lines, wait=False):
    if wait:
        await input.read()
    for number in range(lines):
        yield f"{number:099d}\\n"
"""


PROVIDES_JS = """
module.exports = function (input, lines) {
    function* numbers() {
        for (let number = 0; number < lines; number++) yield String(number).padStart(99, "0") + "\\n";
    }
    return Object.assign(numbers(), { topic: "numbers", contentType: "text/plain" });
};
"""


@pytest.fixture(params=[False, True], ids=["memory", "reattach"])
async def hub(request, tmp_path):
    if request.param and not can_spool():
        pytest.skip("this system can't keep streams")
    async with serve(data_dir=tmp_path, retention_ms=60_000, reattach=request.param) as running:
        yield running


@pytest.fixture(params=["python", "node"])
def sequence(request, package):
    if request.param == "python":
        return package(PYTHON)
    if shutil.which("node") is None:
        pytest.skip("JavaScript Sequences need Node.js on PATH")
    return package(files={"main.js": NODE}, main="main.js", engines={"node": ">=18"})


def lines(begin, end):
    return b"".join(b"%099d\n" % number for number in range(begin, end))


async def warnings(api, instance, word):
    entries = [json.loads(line) for line in (await api.read(f"{instance}/log")).splitlines()]
    return [entry["msg"] for entry in entries if entry["level"] == "WARN" and word in entry["msg"]]


@pytest.mark.parametrize("stream", STREAMS)
async def test_without_a_reader_the_latest_is_kept_and_the_gap_is_told(stream, sequence, api):
    instance = await api.start(await api.send(sequence), args=[stream, LINES])
    assert await api.read(f"{instance}/output") in (b"done", b"done\n", b'"done"\n')
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0
    begin = SIZE - UNREAD_LIMIT
    assert await warnings(api, instance, stream) == [
        f"The oldest {begin} bytes of {stream} that nobody read were dropped"
    ]
    answer = await api.get(f"{instance}/{stream}")
    assert answer.headers[POSITION] == str(begin)
    assert answer.body == lines(0, LINES)[begin:]
    assert len(await warnings(api, instance, stream)) == 1


@pytest.mark.parametrize("stream", STREAMS)
async def test_a_reader_that_is_there_gets_everything_a_tap_beside_it_or_not(stream, sequence, api):
    instance = await api.start(await api.send(sequence), args=[stream, LINES])
    async with api.session.get(f"{api.url}{instance}/{stream}?tap=true"):  # and reads nothing
        answer = await api.get(f"{instance}/{stream}")
    assert answer.headers[POSITION] == "0"
    assert answer.body == lines(0, LINES)
    assert await warnings(api, instance, stream) == []


async def test_lines_of_10_mb(api, package):
    source = """
        async def run(context, input):
            for letter in "abc": print(letter * 10_000_000)
            yield "done"
    """
    sequence = await api.send(package(source))
    instance = await api.start(sequence)
    assert await api.read(f"{instance}/output") == b"done"
    await api.ended(instance)
    assert await api.read(f"{instance}/stdout") == b"c" * (UNREAD_LIMIT - 1) + b"\n"
    instance = await api.start(sequence)
    assert await api.read(f"{instance}/stdout") == b"".join(bytes([each]) * 10_000_000 + b"\n" for each in b"abc")


async def test_the_limit_is_a_setting(tmp_path, api_of, api, package):
    async with serve(data_dir=tmp_path / "other", retention_ms=60_000, unread_limit=1 << 20) as hub:
        other = api_of(hub, api.session)
        instance = await other.start(await other.send(package(PYTHON)), args=["stdout", LINES])
        await other.ended(instance)
        answer = await other.get(f"{instance}/stdout")
        assert (answer.headers[POSITION], len(answer.body)) == (str(SIZE - (1 << 20)), 1 << 20)


# --- output and topics ------------------------------------------------------------------------------------


@pytest.fixture(params=["python", "node"])
def provider(request, package):
    if request.param == "python":
        return package(PROVIDES)
    if shutil.which("node") is None:
        pytest.skip("JavaScript Sequences need Node.js on PATH")
    return package(files={"main.js": PROVIDES_JS}, main="main.js", engines={"node": ">=18"})


async def topic(api, size):
    async with api.session.get(f"{api.url}/topic/numbers", headers={"content-type": "text/plain"}) as reader:
        return await reader.content.readexactly(size)


@pytest.mark.parametrize("count", [10, 5000])
async def test_run_gives_all_of_an_output_that_goes_to_a_topic(count, provider, hub, api):
    async with HostClient(hub.url) as client:
        for number in range(10):
            done = await client.run(provider, args=[count])
            assert done.output == lines(0, count), number
            assert await topic(api, count * 100) == lines(0, count), number


async def test_output_of_an_ended_instance_can_be_read_though_a_topic_has_it(api, provider):
    instance = await api.start(await api.send(provider), args=[5000])
    await api.ended(instance)
    assert await api.read(f"{instance}/output") == lines(0, 5000)
    assert await topic(api, 500_000) == lines(0, 5000)


async def test_without_readers_of_the_output_the_topic_paces_and_the_latest_megabyte_is_kept(api, package):
    instance = await api.start(await api.send(package(PROVIDES)), args=[LINES])
    assert await topic(api, SIZE) == lines(0, LINES)
    await api.ended(instance)
    answer = await api.get(f"{instance}/output")
    assert answer.headers[POSITION] == str(SIZE - (1 << 20))
    assert answer.body == lines(0, LINES)[-(1 << 20) :]


async def test_a_reader_of_the_output_that_is_there_gets_everything_as_the_topic_does(api, package):
    instance = await api.start(await api.send(package(PROVIDES)), args=[LINES, True])
    async with api.session.get(f"{api.url}{instance}/output") as output:
        await api.input(instance, b"go")
        both = await asyncio.gather(output.read(), topic(api, SIZE))
    assert both == [lines(0, LINES)] * 2
