"""Load: what is measured, and when there is no room for another Instance."""

import dataclasses

import aiohttp
import psutil
import pytest

from transform_hub.hub.config import InstanceRequirements
from transform_hub.hub.observability.load import load_check, shortage
from transform_hub.hub.server import serve
from transform_hub.models import DiskUsage, LoadCheck

GIB = 1 << 30


def load(*, average=0.5, memory=8 * GIB, disk=8 * GIB):
    usage = DiskUsage(fs="/", available=disk, size=9 * GIB, used=GIB, use=0.1)
    return LoadCheck(avg_load=average, current_load=0, mem_free=memory, mem_used=0, fs_size=[usage])


@pytest.mark.parametrize(
    ("measured", "lacking"),
    [
        (load(), None),
        (load(average=89.9), None),
        (load(average=90), "cpuLoad"),
        (load(memory=256 << 20), "freeMem"),
        (load(memory=257 << 20), None),
        (load(disk=128 << 20), "freeSpace"),
        (load(disk=-GIB), "freeSpace"),
        (load(disk=129 << 20), None),
    ],
)
def test_the_thresholds_of_sth(measured, lacking):
    said = shortage(measured, **dataclasses.asdict(InstanceRequirements()))
    assert said is None if lacking is None else lacking in said


def test_a_disk_that_is_not_there_is_left_out(tmp_path):
    disks = load_check([tmp_path, tmp_path / "missing"], reserve=1).fs_size
    assert [disk.fs for disk in disks] == [str(tmp_path)]
    assert 0 <= disks[0].use <= 1


@pytest.mark.parametrize("meminfo", [None, b"", b"MemTotal: many kB\n", b"\xff\x00" * 99, 0])
async def test_a_machine_that_does_not_tell_its_memory_starts_instances(meminfo, tmp_path, api, package, monkeypatch):
    """As without /proc, or where it is not readable (0: a directory)."""
    if isinstance(meminfo, bytes):
        (tmp_path / "meminfo").write_bytes(meminfo)
    elif meminfo == 0:
        (tmp_path / "meminfo").mkdir()
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    load = (await api.get("/load-check")).json
    assert load["memFree"] > 0
    assert load["memUsed"] == 0
    assert await api.start(await api.send(package("def run(context, input): return input")))


async def test_an_overloaded_hub_starts_nothing_and_says_why(tmp_path, api_of, package):
    async with serve(data_dir=tmp_path, safe_operation_limit=99_999_999) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        sequence_id = await api.send(package("def run(context, input): return input"))
        answer = await api.post(f"/sequence/{sequence_id}/start", {})
        assert (answer.status, answer.reason) == (419, "Insufficient Space on Resource")
        assert answer.json["error"].startswith("Insufficient Space on Resource: 0 MiB of / are available")
        assert (await api.get("/instances")).json == []
        config = (await api.get("/config")).json
        assert config["safeOperationLimit"] == 99_999_999
        assert config["instanceRequirements"] == {"cpuLoad": 10, "freeMem": 256, "freeSpace": 128}
