"""PUT of Sequences: the new one whole, or the old one as it was."""

import asyncio
import os
import signal
import subprocess
import sys

import aiohttp
import pytest

from transform_hub.hub.server import serve
from until import until

OCTETS = "application/octet-stream"
SAYS = "async def run(context, input):\n    yield '{}'\n"


@pytest.fixture
def says(package):
    """Makes a package whose output is a word, with a file of that name beside it."""

    def make(word, **fields):
        return package(SAYS.format(word), name=word, files={f"{word}.txt": word}, **fields)

    return make


@pytest.fixture
def put(api):
    async def call(sequence, archive, **headers):
        return await api.call("PUT", f"/sequence/{sequence}", archive, **{"content_type": OCTETS, **headers})

    return call


async def output(api, sequence_id):
    return await api.read(f"{await api.start(sequence_id)}/output")


async def test_the_new_package_takes_the_place_of_the_old(api, put, says, hub):
    sequence_id = await api.send(says("old"))
    answer = await put(sequence_id, says("new", version="2.0.0"))
    assert (answer.status, answer.json) == (200, {"id": sequence_id})
    sequence = (await api.get(f"/sequence/{sequence_id}")).json
    assert (sequence["id"], sequence["name"], sequence["config"]["version"]) == (sequence_id, "new", "2.0.0")
    assert await output(api, sequence_id) == b"new"
    files = {path.name for path in (hub.sequences.root / sequence_id).iterdir()} - {"__pycache__"}
    assert files == {"package.json", "main.py", "new.txt"}
    assert not list((hub.sequences.root / ".incoming").iterdir())
    assert not list((hub.sequences.root / ".replacing").iterdir())


async def test_it_is_the_new_one_after_a_restart(tmp_path, says):
    listings = []
    headers = {"content-type": OCTETS}
    async with serve(data_dir=tmp_path) as hub, aiohttp.ClientSession(headers=headers) as session:
        async with session.post(hub.url + "/sequence", data=says("old")) as response:
            sequence_id = (await response.json())["id"]
        async with session.put(hub.url + f"/sequence/{sequence_id}", data=says("new")) as response:
            assert response.status == 200
        listings.append([hub.catalog.describe(each) for each in hub.sequences])
    async with serve(data_dir=tmp_path) as hub:
        listings.append([hub.catalog.describe(each) for each in hub.sequences])
    assert listings[0] == listings[1]
    assert listings[0][0].name == "new"


async def test_unknown_wrong_and_too_large_are_refused(api, put, says):
    answer = await put("nope", says("new"))
    assert (answer.status, answer.json) == (404, {"error": "Sequence with id: nope not found"})
    sequence_id = await api.send(says("old"))
    before = (await api.get(f"/sequence/{sequence_id}")).json
    for body, headers, status in (
        (b"not a package", {}, 422),
        (says("new")[:-20], {}, 422),
        (b"", {}, 422),
        (says("new"), {"content_type": "text/plain"}, 415),
    ):
        answer = await put(sequence_id, body, **headers)
        assert answer.status == status
        assert answer.json["error"]
    assert (await api.get(f"/sequence/{sequence_id}")).json == before
    assert await output(api, sequence_id) == b"old"


async def test_not_while_there_are_instances(api, put, says, package):
    sequence_id = await api.send(package("def run(context, input): return input"))
    instance = await api.start(sequence_id)
    refusal = (409, {"error": "Can't update sequence with instances"})
    answer = await put(sequence_id, says("new"))
    assert (answer.status, answer.json) == refusal
    await api.post(f"{instance}/_kill", {})
    await api.ended(instance)
    answer = await put(sequence_id, says("new"))
    assert (answer.status, answer.json) == refusal  # its Instance is still shown with what it was
    await api.post(f"{instance}/_kill", {"removeImmediately": True})
    assert (await put(sequence_id, says("new"))).status == 200


class Gate:
    """A body of a request that waits half way."""

    def __init__(self, archive):
        self._archive, self._open, self.reached = archive, asyncio.Event(), asyncio.Event()

    def open(self):
        self._open.set()

    async def __aiter__(self):
        yield self._archive[:100]
        self.reached.set()
        await self._open.wait()
        yield self._archive[100:]


async def half_way(hub, put, sequence_id, archive):
    """A PUT that the Hub has received the first half of."""
    gate = Gate(archive)
    running = asyncio.create_task(put(sequence_id, aiter(gate)))
    await gate.reached.wait()
    await until(lambda: list((hub.sequences.root / ".incoming").iterdir()))
    return gate, running


async def test_a_start_during_the_upload_runs_the_old_one_and_wins(api, put, says, hub):
    sequence_id = await api.send(says("old"))
    gate, running = await half_way(hub, put, sequence_id, says("new"))
    assert await output(api, sequence_id) == b"old"
    gate.open()
    assert (await running).status == 409
    assert (hub.sequences.root / sequence_id / "old.txt").exists()
    assert not list((hub.sequences.root / ".incoming").iterdir())


async def test_a_delete_during_the_upload_wins(api, put, says, hub):
    sequence_id = await api.send(says("old"))
    gate, running = await half_way(hub, put, sequence_id, says("new"))
    assert (await api.call("DELETE", f"/sequence/{sequence_id}")).status == 200
    gate.open()
    assert (await running).status == 404
    assert not (hub.sequences.root / sequence_id).exists()
    assert (await api.get("/sequences")).json == []


async def test_two_at_once_are_both_whole_and_the_later_stays(api, put, says, hub):
    sequence_id = await api.send(says("old"))
    first, one = await half_way(hub, put, sequence_id, says("one"))
    second, two = await half_way(hub, put, sequence_id, says("two"))
    second.open()
    assert (await two).status == 200
    assert (await api.get(f"/sequence/{sequence_id}")).json["name"] == "two"
    first.open()
    assert (await one).status == 200
    assert await output(api, sequence_id) == b"one"
    assert not (hub.sequences.root / sequence_id / "two.txt").exists()


async def test_an_upload_that_breaks_off_keeps_the_old_one(api, says, hub):
    sequence_id = await api.send(says("old"))
    archive = says("new")
    _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    head = f"PUT /api/v1/sequence/{sequence_id} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(archive)}\r\n\r\n"
    writer.write(head.encode() + archive[:-10])
    await writer.drain()
    incoming = hub.sequences.root / ".incoming"
    await until(lambda: list(incoming.iterdir()))
    writer.close()
    await until(lambda: not list(incoming.iterdir()))
    assert await output(api, sequence_id) == b"old"


async def test_a_disk_that_refuses_the_exchange_keeps_the_old_one(api, put, says, hub):
    sequence_id = await api.send(says("old"))
    (hub.sequences.root / ".replacing" / sequence_id).write_text("in the way of a directory")
    assert (await put(sequence_id, says("new"))).status == 500
    assert await output(api, sequence_id) == b"old"
    assert not list((hub.sequences.root / ".incoming").iterdir())


HUB = """
import asyncio, os, signal, sys
from pathlib import Path
from transform_hub.hub.server import serve

steps, kill_after = 0, int(sys.argv[2])
for name in ("rename", "replace"):
    def step(self, target, original=getattr(Path, name)):
        global steps
        if ".replacing" in f"{self}{target}":
            if steps == kill_after:
                os.kill(os.getpid(), signal.SIGKILL)
            steps += 1
        return original(self, target)
    setattr(Path, name, step)

async def main():
    async with serve(data_dir=sys.argv[1]) as hub:
        print(hub.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("steps", range(6))
async def test_a_hub_that_is_killed_between_two_steps_has_the_old_or_the_new_one(steps, tmp_path, says):
    command = [sys.executable, "-c", HUB, str(tmp_path), str(steps)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    answered = False
    async with aiohttp.ClientSession(headers={"content-type": OCTETS}) as session:
        async with session.post(url + "/sequence", data=says("old")) as response:
            sequence_id = (await response.json())["id"]
        try:
            async with session.put(f"{url}/sequence/{sequence_id}", data=says("new")) as response:
                answered = response.status == 200
        except aiohttp.ClientError:
            assert process.wait() == -signal.SIGKILL
    process.send_signal(signal.SIGKILL)
    process.communicate()
    async with serve(data_dir=tmp_path) as hub:
        (sequence,) = hub.sequences
        expected = "old" if steps == 0 else "new"  # the first step decides
        assert (sequence.id, sequence.name) == (sequence_id, expected)
        assert answered == (steps == 5)
        files = {path.name for path in (hub.sequences.root / sequence_id).iterdir()} - {"__pycache__"}
        assert files == {"package.json", "main.py", f"{expected}.txt"}
        assert sequence.config.package_size == len(says(expected))
        for aside in (".incoming", ".replacing"):
            assert not list((hub.sequences.root / aside).iterdir())


async def test_a_full_disk_is_507_and_keeps_the_old_one(tmp_path, says):
    """On a file system of a few kB, in a mount namespace of its own."""
    mount = f"mount -t tmpfs -o size=400k tmpfs {tmp_path} && exec {sys.executable} -c '{HUB}' {tmp_path} -1"
    process = subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    url = process.stdout.readline().strip()
    if not url:
        pytest.skip(f"No file system can be mounted here: {process.communicate()[1]}")
    huge = says("new", description=os.urandom(400_000).hex())
    try:
        async with aiohttp.ClientSession(headers={"content-type": OCTETS}) as session:
            async with session.post(url + "/sequence", data=says("old")) as response:
                sequence_id = (await response.json())["id"]
            for method, path in (("POST", "/sequence"), ("PUT", f"/sequence/{sequence_id}")):
                async with session.request(method, url + path, data=huge) as response:
                    assert (response.status, await response.json()) == (507, {"error": "The Hub's disk is full"})
            async with session.get(url + "/sequences") as response:
                assert [sequence["name"] for sequence in await response.json()] == ["old"]
            async with session.put(f"{url}/sequence/{sequence_id}", data=says("new")) as response:
                assert response.status == 200  # what failed has left no files
    finally:
        process.terminate()
        process.communicate()
