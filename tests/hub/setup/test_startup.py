"""What a Hub starts by itself, seen from inside; ``tests/cli/test_sth.py`` has the whole of it."""

import asyncio
import json

import pytest

from transform_hub.errors import HubStartError
from transform_hub.hub.setup.startup import AT_ONCE, read_startup, start_all
from until import until

WAIT = "async def run(context, input):\n    async for _ in input: yield ''\n"


@pytest.fixture
def startup(hub, tmp_path, package):
    """Reads a startup configuration; ``wait.tar.gz`` lies beside it."""
    (tmp_path / "wait.tar.gz").write_bytes(package(WAIT, name="wait"))

    def read(**content):
        path = tmp_path / "startup.json"
        path.write_text(json.dumps(content))
        return read_startup(path, tmp_path, hub.config.limits)

    return read


def start(hub, startup):
    return start_all(startup, sequences=hub.sequences, instances=hub.instances, topics=hub.topics)


async def test_some_are_started_at_the_same_time_but_not_all(hub, startup, monkeypatch):
    now, seen = set(), []
    start_one = hub.instances.start

    async def counting(order):
        mark = object()
        now.add(mark)
        seen.append(len(now))
        try:
            return await start_one(order)
        finally:
            now.remove(mark)

    monkeypatch.setattr(hub.instances, "start", counting)
    assert await start(hub, startup(sequences=[{"path": "wait.tar.gz"}] * 10)) == 10
    assert max(seen) == AT_ONCE
    assert len(hub.instances) == 10
    assert len(list(hub.sequences)) == 1


async def test_a_name_that_two_have_is_not_started(hub, startup, package, caplog):
    for version in ("1.0.0", "2.0.0"):
        await hub.sequences.add(once(package(WAIT, name="twin", version=version)))
    assert await start(hub, startup(sequences=[{"name": "twin"}])) == 0
    assert "twin is not started: 2 Sequences have this name" in caplog.text


async def once(data):
    yield data


async def test_a_package_that_went_away_meanwhile(hub, startup, tmp_path):
    found = startup(sequences=[{"path": "wait.tar.gz"}])
    (tmp_path / "wait.tar.gz").unlink()
    with pytest.raises(HubStartError, match="can't be stored"):
        await start(hub, found)


async def test_it_can_be_broken_off(hub, startup):
    task = asyncio.ensure_future(start(hub, startup(sequences=[{"path": "wait.tar.gz"}] * 10)))
    await until(lambda: hub.instances, pause=0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(hub.instances) <= AT_ONCE
