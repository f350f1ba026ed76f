"""Lists: whole, or a part of them, and what goes while they are written."""

import asyncio

import pytest

from transform_hub.hub import turns

ECHO = "def run(context, input): return input"


@pytest.fixture
async def paths(api, package):
    """The lists that have parts; each has three items."""
    sequence = await api.send(package(ECHO))
    for _ in range(2):
        await api.send(package(ECHO))
    for number in range(3):
        await api.start(sequence)
        topic = {"id": f"topic-{number}", "content-type": "text/plain"}
        assert (await api.post("/topics", topic)).status == 200
    return ["/sequences", "/instances", "/topics", f"/sequence/{sequence}/instances"]


async def test_a_part_and_the_number_of_all(paths, api):
    for path in paths:
        whole = await api.get(path)
        assert len(whole.json) == 3
        for query, expected in [
            ("limit=2", whole.json[:2]),
            ("offset=1", whole.json[1:]),
            ("limit=1&offset=1", whole.json[1:2]),
            ("limit=0", []),
            ("offset=3", []),
            ("limit=999999999&offset=999999999", []),
        ]:
            part = await api.get(f"{path}?{query}")
            assert (part.json, part.headers["X-Total-Count"]) == (expected, "3")
        assert whole.headers["X-Total-Count"] == "3"


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "offset=1.5", "limit=", "limit=٣", "offset=9999999999"])
async def test_a_part_that_is_none_is_refused(query, paths, api):
    for path in paths:
        answer = await api.get(f"{path}?{query}")
        assert (answer.status, "a number from 0 on" in answer.json["error"]) == (400, True)


async def test_what_goes_meanwhile_is_left_out(paths, hub, api, monkeypatch):
    monkeypatch.setattr(turns, "TURN", 0)
    described, go_on = asyncio.Event(), asyncio.Event()
    each = hub.turns.each

    async def halted(do, items):
        await each(do, items[:1])
        described.set()
        await go_on.wait()
        await each(do, items[1:])

    monkeypatch.setattr(hub.turns, "each", halted)
    last = [*hub.instances.values()][-1]
    listing = asyncio.ensure_future(api.get("/instances"))
    await described.wait()
    last.kill(remove_immediately=True)
    await last.ended.wait()
    last.discard()
    go_on.set()
    assert last.id not in [told["id"] for told in (await listing).json]
    assert len((await listing).json) == 2

    described.clear()
    go_on.clear()
    listing = asyncio.ensure_future(api.get("/entities"))
    await described.wait()
    doomed = [*hub.sequences][-1]
    await hub.catalog.remove(doomed, force=True)
    go_on.set()
    assert [told["id"] for told in (await listing).json["sequences"]] == [told.id for told in hub.sequences]
