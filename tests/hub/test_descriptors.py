"""File descriptors of a Hub: few per Instance, none of one that has ended, and some are left for the API."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import psutil
import pytest

from sth_process import Sth
from transform_hub.hub import descriptors
from transform_hub.hub.reattach.ring import can_spool
from until import steady, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")

ECHO = "async def run(context, input):\n    async for each in input:\n        yield each\n"
LIMIT = 128


@pytest.mark.skipif(not can_spool(), reason="this system can't keep positions")
async def test_what_an_instance_costs(sth, package):
    api = await sth.start("--reattach")
    sequence = await api.send(package(ECHO))
    first = await api.start(sequence)
    hub = psutil.Process(sth.process.pid)
    (zygote,) = hub.children()

    async def more(than=(0, 0)):
        """Descriptors of Hub and zygote, once they stay the same."""
        await until(steady(lambda: (hub.num_fds(), zygote.num_fds()), looks=100))
        return hub.num_fds() - than[0], zygote.num_fds() - than[1]

    before = await more()
    instances = [await api.start(sequence) for _ in range(5)]
    assert await more(before) == (5 * 7, 5 * 8)
    for instance in instances:
        await api.post(f"{instance}/input", b"x\n", content_type="text/plain", x_end_stream="false")
    assert await more(before) == (5 * 8, 5 * 9)
    await sth.kill()
    api = await sth.start("--reattach")
    hub = psutil.Process(sth.process.pid)
    for instance in instances:
        await api.post(f"{instance}/input", b"y\n", content_type="text/plain", x_end_stream="true")
        assert (await api.get(f"{instance}/output")).body == b"x\ny\n"
        await api.ended(instance)
    before = await more()
    for instance in instances:
        await api.post(f"{instance}/_kill", {"removeImmediately": True})
    assert await more(before) == (0, 0)
    assert (await api.get(f"{first}/health")).json["healthy"]


@pytest.fixture
async def few(tmp_path, api_of):
    """A Hub that may open few files, as sth."""
    prefix = ("sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh")
    hub = await asyncio.to_thread(Sth("-D", tmp_path / "sequences", "-P", 0, prefix=prefix).run)
    async with aiohttp.ClientSession() as session:
        yield api_of(hub, session), hub
    await asyncio.to_thread(hub.end)


async def test_starts_are_refused_before_descriptors_run_out(few, package):
    api, hub = few
    sequence = await api.send(package(ECHO))
    started = []
    while (answer := await api.post(f"/sequence/{sequence}/start", {})).status == 200:
        started.append(answer.json["id"])
    assert len(started) > 2
    assert answer.status == 419
    assert f"of the Hub's {LIMIT} file descriptors are left" in answer.json["error"]
    assert "ulimit -n" in answer.json["error"]
    idle = [await asyncio.open_connection("127.0.0.1", hub.port) for _ in range(2 * LIMIT)]
    refused = await idle[-1][0].read()
    assert b"503" in refused
    assert b"file descriptors" in refused
    assert (await api.get("/version")).status == 200  # over the connection that it has
    for _, writer in idle:
        writer.close()

    async def is_taken():
        async with aiohttp.ClientSession() as session, session.get(f"{hub.url}/version") as response:
            return response.status == 200

    await until(is_taken)
    for instance in started:
        assert (await api.post(f"/instance/{instance}/_kill", {"removeImmediately": True})).status == 202
    await api.until("/instances", lambda there: not there)
    assert (await api.post(f"/sequence/{sequence}/start", {})).status == 200


async def test_topics_and_groups_are_refused_before_descriptors_run_out(few):
    api, hub = few

    async def read(number, query=""):
        async with api.session.get(
            f"{api.url}/topic/t{number}{query}", headers={"content-type": "text/plain"}
        ) as answer:
            return answer.status, "" if answer.status == 200 else (await answer.json())["error"]

    count = 0
    while (answer := await read(count))[0] == 200:
        count += 1
    assert count > LIMIT // 4
    for status, error in (answer, await read(0, "?group=g")):
        assert status == 503
        assert f"of the Hub's {LIMIT} file descriptors are left" in error
    async with aiohttp.ClientSession() as session, session.delete(f"{hub.url}/topics/t0") as response:
        assert response.status == 200
    await until(lambda: _is_ok(read(count)))


async def _is_ok(reading):
    return (await reading)[0] == 200


async def test_starts_at_the_same_time_are_counted(few, package):
    api, _ = few
    sequence = await api.send(package(ECHO))
    answers = await asyncio.gather(*(api.post(f"/sequence/{sequence}/start", {}) for _ in range(30)))
    assert {answer.status for answer in answers} == {200, 419}
    assert (await api.get("/instances")).status == 200


def test_where_they_can_not_be_counted_there_is_room(monkeypatch):
    monkeypatch.setattr(descriptors, "_FOLDERS", (Path("/nowhere"),))
    assert descriptors.lack(10**9) is None
