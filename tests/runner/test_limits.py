"""Limits of an Instance: memory, CPU time and open files; what the end says; which are refused."""

import contextlib
import resource
import shutil

import aiohttp
import pytest

from transform_hub.errors import HubStartError
from transform_hub.hub.server import serve
from transform_hub.models import InstanceLimits

pytestmark = pytest.mark.slow

LOOKS = """
import resource
def run(context, input):
    kinds = (resource.RLIMIT_DATA, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE)
    return [" ".join(str(resource.getrlimit(kind)[0]) for kind in kinds)]
"""
TAKES_MEMORY = "def run(context, input):\n    return [str(len(bytearray(200 << 20)))]"
TAKES_TIME = "def run(context, input):\n    while True: pass"
OPENS_FILES = """
def run(context, input):
    files = []
    while True:
        files.append(open("/dev/null"))
"""
NODE = {"main": "main.js", "engines": {"node": ">=18"}}
NODE_HEAP = {"main.js": "module.exports = () => { const all = []; for (;;) all.push(new Array(1000).fill(1)); };"}
NODE_BUFFER = {"main.js": "module.exports = () => [String(Buffer.alloc(300 << 20).fill(1).length)];"}

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@pytest.fixture
def on(tmp_path, api_of):
    """Calls to a Hub with settings."""

    @contextlib.asynccontextmanager
    async def on(**settings):
        async with serve(data_dir=tmp_path, **settings) as hub, aiohttp.ClientSession() as session:
            yield api_of(hub, session)

    return on


@pytest.mark.parametrize("zygote", [True, False])
async def test_limits_hold_before_the_sequence_is_loaded(on, package, zygote):
    async with on(zygote=zygote) as api:
        sequence = await api.send(package(LOOKS))
        instance = await api.start(sequence, limits={"memory": 128, "cpu": 7, "files": 99})
        assert await api.read(f"{instance}/output") == b"134217728 7 99"
        free = await api.start(sequence)
        soft = [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_DATA, resource.RLIMIT_CPU)]
        assert (await api.read(f"{free}/output")).decode().split()[:2] == [str(number) for number in soft]


async def test_memory_beyond_the_limit_is_an_error_that_says_so(api, package):
    instance = await api.start(await api.send(package(TAKES_MEMORY)), limits={"memory": 128})
    info = await api.ended(instance)
    assert info["error"] == "MemoryError: the memory limit of this Instance is 128 MB"
    assert info["limits"] == {"memory": 128}
    enough = await api.start(await api.send(package(TAKES_MEMORY)), limits={"memory": 512})
    assert await api.read(f"{enough}/output") == str(200 << 20).encode()


async def test_cpu_time_beyond_the_limit_ends_it(api, package):
    instance = await api.start(await api.send(package(TAKES_TIME)), limits={"cpu": 1})
    info = await api.ended(instance)
    assert info["terminated"]["reason"] == "Runner killed: CPU time limit of 1 s"


async def test_files_beyond_the_limit_can_not_be_opened(api, package):
    instance = await api.start(await api.send(package(OPENS_FILES)), limits={"files": 100})
    assert "Too many open files" in (await api.ended(instance))["error"]


@needs_node
@pytest.mark.parametrize("zygote", [True, False])
async def test_memory_of_node_is_limited(on, package, zygote):
    async with on(zygote=zygote) as api:
        heap = await api.start(await api.send(package(files=NODE_HEAP, **NODE)), limits={"memory": 128})
        info = await api.ended(heap)
        assert info["terminated"]["reason"] == "Runner killed: memory limit of 128 MB"
        buffer = await api.start(await api.send(package(files=NODE_BUFFER, **NODE)), limits={"memory": 128})
        assert "allocation failed" in (await api.ended(buffer))["error"]


async def test_those_of_the_hub_hold_for_all_and_are_the_most(on, package):
    async with on(instance_limits=InstanceLimits(memory=256, files=100)) as api:
        sequence = await api.send(package(LOOKS))
        instance = await api.start(sequence, limits={"files": 90, "cpu": 3})
        assert await api.read(f"{instance}/output") == b"268435456 3 90"
        assert (await api.get(instance)).json["limits"] == {"memory": 256, "files": 90, "cpu": 3}
        refused = await api.post(f"/sequence/{sequence}/start", {"limits": {"memory": 300}})
        assert (refused.status, refused.json) == (
            400,
            {"error": "Invalid limits.memory: 300 is more than this Hub allows, 256"},
        )


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"memory": 1}, "Invalid limits.memory: a runner alone needs"),
        ({"files": 3}, "Invalid limits.files: a runner alone needs"),
        ({"files": 1 << 40}, "Invalid limits.files: the system allows"),
        ({"cpu": 0}, "Invalid limits format"),
        ({"cpu": 1.5}, "Invalid limits format"),
        ({"network": 1}, "Invalid limits format"),
    ],
)
async def test_what_is_not_possible_is_refused(api, package, limits, said):
    sequence = await api.send(package(LOOKS))
    answer = await api.post(f"/sequence/{sequence}/start", {"limits": limits})
    assert (answer.status, answer.json["error"][: len(said)]) == (400, said)
    assert (await api.get("/instances")).json == []


async def test_a_hub_on_which_nothing_could_run_does_not_start(tmp_path):
    with pytest.raises(HubStartError, match="memory"):
        async with serve(data_dir=tmp_path, instance_limits=InstanceLimits(memory=1)):
            pass
