"""Where Instances write: data of their own, and a cache that those of a Sequence share."""

import asyncio
import json
import shutil
import stat
import subprocess
from pathlib import Path

import aiohttp
import pytest

from transform_hub.hub.instances.disk_limit import ENTRY, _used
from transform_hub.hub.server import serve
from transform_hub.models import InstanceLimits
from until import until

KEEPS = """
import json, pathlib
async def run(context, input):
    assert isinstance(context.data_dir, pathlib.Path) and isinstance(context.cache_dir, pathlib.Path)
    for folder in (context.data_dir, context.cache_dir):
        (folder / context.instance_id).write_text("kept")
    yield json.dumps([str(context.data_dir), str(context.cache_dir)]) + "\\n"
    yield json.dumps([sorted(each.name for each in path.iterdir()) for path in (context.data_dir, context.cache_dir)])
    async for _ in input:
        raise ValueError
"""
NODE = """
const fs = require("node:fs");
module.exports = function () {
    for (const folder of [this.dataDir, this.cacheDir]) fs.writeFileSync(`${folder}/${this.instanceId}`, "kept");
    return [[this.dataDir, this.cacheDir], [fs.readdirSync(this.dataDir), fs.readdirSync(this.cacheDir)]];
};
"""
AGAIN = {"policy": "on-failure", "maxRetries": 1, "delay": 10}


async def told(api, instance):
    """The two directories and what is in each."""
    await api.input(instance, b"")
    return [json.loads(line) for line in (await api.read(f"{instance}/output")).splitlines()]


@pytest.mark.parametrize("engine", ["python", "node"])
@pytest.mark.parametrize("zygote", [True, False])
async def test_each_has_its_data_and_all_of_a_sequence_a_cache(engine, zygote, tmp_path, package, api_of):
    if engine == "node" and shutil.which("node") is None:
        pytest.skip("JavaScript Sequences need Node.js on PATH")
    archive = package(KEEPS)
    if engine == "node":
        archive = package(files={"main.js": NODE}, main="main.js", engines={"node": ">=18"})
    async with serve(data_dir=tmp_path, zygote=zygote) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        sequence = await api.send(archive)
        one, two = [await api.start(sequence) for _ in range(2)]
        (data, cache), files = await told(api, one)
        (other, same), more = await told(api, two)
        ids = [each.rpartition("/")[2] for each in (one, two)]
        assert (files[0], more) == ([ids[0]], [[ids[1]], sorted(ids)])
        assert data != other
        assert cache == same
        for path in map(Path, (data, cache)):
            assert [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)] == [0o700, 0o700]


async def test_data_is_there_after_a_restart_and_gone_with_the_instance(api, package):
    instance = await api.start(await api.send(package(KEEPS)), restart=AGAIN)
    data, _ = api.hub.instances.directories_of(api.instance(instance)).values()
    (data / "before").touch()
    await api.input(instance, "now\n", x_end_stream="false")
    await api.restarted(instance, 1)
    await api.input(instance, "now\n")
    await api.ended(instance)
    assert {each.name for each in data.iterdir()} == {"before", instance.rpartition("/")[2]}
    await api.post(f"{instance}/_kill", {"removeImmediately": True})
    await api.answers(instance, 404)
    assert not data.exists()


async def test_the_next_of_the_same_id_has_nothing_of_it(api, package):
    source = """
    async def run(context, input):
        yield str(list(context.data_dir.iterdir()))
        (context.data_dir / "x").touch()
    """
    sequence, instance_id = await api.send(package(source)), "x" * 36
    for _ in range(3):
        instance = await api.start(sequence, instanceId=instance_id)
        assert await api.read(f"{instance}/output") == b"[]"
        await api.ended(instance)
        await api.post(f"{instance}/_kill", {"removeImmediately": True})
        await api.answers(instance, 404)


async def test_what_it_has_locked_is_deleted_too(api, package):
    source = """
    async def run(context, input):
        folder = context.data_dir / "a" / "b"
        folder.mkdir(parents=True)
        (folder / "c").write_text("x")
        (folder.parent / "link").symlink_to("/etc")
        for each in (folder / "c", folder, folder.parent, context.data_dir):
            each.chmod(0)
    """
    instance = await api.start(await api.send(package(source)))
    await api.ended(instance)
    await api.post(f"{instance}/_kill", {"removeImmediately": True})
    state = api.hub.sequences.root / ".hub"
    await until(lambda: not list((state / "data").iterdir()) and not list((state / "trash").iterdir()))


async def test_a_cache_may_be_deleted_and_goes_with_its_sequence(api, package):
    sequence = await api.send(package(KEEPS))
    cache = api.hub.sequences.root / ".hub" / "cache" / sequence
    for _ in range(2):
        await told(api, await api.start(sequence))
        assert cache.is_dir()
        shutil.rmtree(cache)
    instance = await api.start(sequence)
    await told(api, instance)
    await api.ended(instance)
    assert (await api.call("DELETE", f"/sequence/{sequence}")).status == 200
    assert not cache.exists()


async def test_a_hub_that_ends_leaves_no_data_and_the_cache(tmp_path, package, api_of):
    async with aiohttp.ClientSession() as session:
        async with serve(data_dir=tmp_path) as hub:
            api = api_of(hub, session)
            sequence = await api.send(package(KEEPS))
            await told(api, await api.start(sequence))  # it has written by then
        state = tmp_path / "sequences" / ".hub"
        assert list((state / "data").iterdir()) == list((state / "trash").iterdir()) == []
        assert [each.name for each in (state / "cache").iterdir()] == [sequence]
        (state / "cache" / "of-none").mkdir()
        (state / "data" / "of-none").mkdir()
        (state / "trash" / "left" / "x").mkdir(parents=True)
        async with serve(data_dir=tmp_path):
            await until(lambda: not list((state / "trash").iterdir()))
            assert list((state / "data").iterdir()) == []
            assert [each.name for each in (state / "cache").iterdir()] == [sequence]


async def test_where_no_directory_can_be_made_the_start_says_so(api, package):
    sequence = await api.send(package(KEEPS))
    (api.hub.sequences.root / ".hub" / "data").write_text("in the way")
    answer = await api.post(f"/sequence/{sequence}/start", {})
    assert answer.status == 500
    assert answer.json["error"].startswith("No directory for the Instance's data could be made: ")
    assert (await api.get("/instances")).json == []


async def test_many_at_once_leave_nothing(api, package):
    sequence = await api.send(package("async def run(context, input): (context.data_dir / 'x').touch()"))
    for instance in await asyncio.gather(*(api.start(sequence) for _ in range(10))):
        await api.ended(instance)
        await api.post(f"{instance}/_kill", {"removeImmediately": True})
    state = api.hub.sequences.root / ".hub"
    await until(lambda: not list((state / "data").iterdir()) and not list((state / "trash").iterdir()))


async def test_a_limit_of_the_disk_ends_who_exceeds_it(api, package, monkeypatch):
    monkeypatch.setattr("transform_hub.hub.instances.disk_limit.PERIOD", 0.01)
    source = """
        async def run(context, input, size):
            (context.data_dir / "file").write_bytes(b"x" * size)
            async for line in input: yield line
    """
    sequence = await api.send(package(source))
    within = await api.start(sequence, args=[500_000], limits={"disk": 1})
    beyond = await api.start(sequence, args=[3_000_000], limits={"disk": 1})
    info = await api.ended(beyond)
    assert info["status"] == "errored"
    assert info["error"] == "Disk limit of 1 MB: its data_dir has 3 MB"
    log = [json.loads(line) for line in (await api.read(f"{beyond}/log")).splitlines()]
    assert ("ERROR", info["error"]) in [(entry["level"], entry["msg"]) for entry in log]
    await api.input(within, b"a\n")
    assert await api.read(f"{within}/output") == b"a\n"


def test_what_a_directory_takes_of_the_disk(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(100):
        (folder / str(number)).touch()
    assert _used(folder) == 100 * ENTRY
    deepest = folder
    for _ in range(1200):  # deeper than Python recurses
        deepest /= "d"
        deepest.mkdir()
    assert _used(folder) >= 1300 * ENTRY
    (deepest / "x").write_bytes(bytes(1_000_000))
    assert _used(folder) > 1_000_000
    subprocess.run(["rm", "-r", folder / "d"], check=True)  # which pytest, too, would recurse into


@pytest.mark.parametrize("name", ["data", "within/link"])
def test_links_are_not_followed(tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "large").write_bytes(bytes(1_000_000))
    (tmp_path / "within").mkdir()
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    assert _used((tmp_path / name).parent if "/" in name else tmp_path / name) <= 4096
    assert _used(tmp_path / "none") == 0


async def test_a_limit_of_the_hub_holds_for_all(tmp_path, package, api_of):
    limits = InstanceLimits(disk=5)
    async with serve(port=0, data_dir=tmp_path, instance_limits=limits) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        sequence = await api.send(package("def run(context, input): return []"))
        refused = await api.post(f"/sequence/{sequence}/start", {"limits": {"disk": 6}})
        assert refused.status == 400
        assert "limits.disk: 6 is more than this Hub allows, 5" in refused.json["error"]
        info = await api.ended(await api.start(sequence))
        assert info["limits"] == {"disk": 5}
