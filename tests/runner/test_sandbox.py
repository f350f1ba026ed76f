"""Instances in a sandbox: what they see, what they reach, and how they end."""

import contextlib
import json
import shutil
import subprocess

import aiohttp
import pytest

from transform_hub.errors import HubStartError
from transform_hub.hub.server import serve

WORKS = shutil.which("bwrap") is not None and not subprocess.run(
    ["bwrap", "--ro-bind", "/", "/", "--unshare-user", "--unshare-pid", "--proc", "/proc", "true"],
    capture_output=True, check=False,
).returncode  # fmt: skip

pytestmark = [pytest.mark.slow]
needs_bwrap = pytest.mark.skipif(not WORKS, reason="bubblewrap is not installed, or the kernel forbids it")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

LOOKS = """
import json, os, pathlib, socket
def run(context, input, data, port):
    here = pathlib.Path(__file__).parent
    def fails(call):
        try:
            call()
        except OSError as error:
            return type(error).__name__
        return "done"
    return [json.dumps({
        "data": fails(lambda: list(pathlib.Path(data).glob("*/*/main.py")) or os.listdir(data)),
        "files": [str(each) for each in pathlib.Path(data).rglob("main.py")],
        "home": os.path.exists("/root/.bashrc") or os.path.exists("/home"),
        "write": fails(lambda: (here / "new").write_text("x")),
        "tmp": fails(lambda: pathlib.Path("/tmp/new").write_text("x")),
        "processes": len([each for each in os.listdir("/proc") if each.isdigit()]),
        "network": fails(lambda: socket.create_connection(("127.0.0.1", port), 5).close()),
    })]
"""
ASKS = "async def run(context, input):\n    return [(await context.hub.get_version()).api_version]"
DIES = "import os, signal\ndef run(context, input):\n    os.kill(os.getpid(), signal.SIGKILL)"
WAITS = "async def run(context, input):\n    async for _ in input: pass"
GIVEN = """
import json, os
async def run(context, input):
    folders = context.data_dir, context.cache_dir
    for folder in folders:
        (folder / context.instance_id).touch()
    yield json.dumps([os.environ["WORD"], context.secrets["KEY"], *(len(os.listdir(folder)) for folder in folders)])
"""
NODE_GIVEN = """
const fs = require("node:fs");
module.exports = function () {
    const folders = [this.dataDir, this.cacheDir];
    for (const folder of folders) fs.writeFileSync(`${folder}/${this.instanceId}`, "");
    return [[process.env.WORD, this.secrets.KEY, ...folders.map((folder) => fs.readdirSync(folder).length)]];
};
"""
NODE = {"main.js": "module.exports = async function () { return [(await this.hub.getVersion()).apiVersion]; };"}


@pytest.fixture
def on(tmp_path, api_of):
    @contextlib.asynccontextmanager
    async def on(**settings):
        settings = {"sandbox": True, "data_dir": tmp_path / "hub", **settings}
        async with serve(**settings) as hub, aiohttp.ClientSession() as session:
            yield api_of(hub, session)

    return on


@needs_bwrap
@pytest.mark.parametrize("network", [True, False])
async def test_it_sees_its_own_sequence_and_nothing_else_of_the_hub(on, package, tmp_path, network):
    async with on(sandbox_network=network) as api:
        await api.send(package("def run(context, input): pass"))
        sequence = await api.send(package(LOOKS))
        instance = await api.start(sequence, args=[str(tmp_path / "hub"), api.hub.port])
        seen = json.loads(await api.read(f"{instance}/output"))
    assert [sequence in path for path in seen.pop("files")] == [True]
    assert seen.pop("processes") <= 3  # bwrap, the runner, perhaps a shell
    assert seen == {
        "data": "done", "home": False, "write": "OSError", "tmp": "done",
        "network": "done" if network else "ConnectionRefusedError",
    }  # fmt: skip


@needs_bwrap
@pytest.mark.parametrize("engine", ["python", pytest.param("node", marks=needs_node)])
async def test_it_writes_to_its_data_and_the_cache_and_has_what_it_was_given(on, package, engine):
    archive = package(GIVEN)
    if engine == "node":
        archive = package(files={"main.js": NODE_GIVEN}, main="main.js", engines={"node": ">=18"})
    async with on() as api:
        sequence = await api.send(archive)
        given = {"env": {"WORD": "word"}, "secrets": {"KEY": "hunter2"}}
        instances = [await api.start(sequence, **given) for _ in range(2)]
        seen = [json.loads(await api.read(f"{instance}/output")) for instance in instances]
        assert seen == [["word", "hunter2", 1, 1], ["word", "hunter2", 1, 2]]


@needs_bwrap
async def test_without_network_it_reaches_its_hub(on, package):
    async with on(sandbox_network=False, token="token-0123456789abcdef") as api:
        api.session.headers["Authorization"] = "Bearer token-0123456789abcdef"
        instance = await api.start(await api.send(package(ASKS)))
        assert await api.read(f"{instance}/output") == b"v1"


@needs_bwrap
@needs_node
async def test_node_runs_in_it_too(on, package):
    async with on(sandbox_network=False) as api:
        sequence = await api.send(package(files=NODE, main="main.js", engines={"node": ">=18"}))
        assert b"v1" in await api.read(f"{await api.start(sequence)}/output")


@needs_bwrap
async def test_it_ends_as_others_do(on, package):
    async with on() as api:
        died = await api.ended(await api.start(await api.send(package(DIES))))
        assert died["terminated"] == {"exitcode": 137, "reason": "Runner killed by SIGKILL"}
        waits = await api.start(await api.send(package(WAITS)))
        await api.post(f"{waits}/_kill", {})
        assert (await api.ended(waits))["terminated"]["reason"] == "Instance killed"


async def test_where_there_is_no_bubblewrap_the_hub_does_not_start(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HubStartError, match="bubblewrap is needed"):
        async with serve(data_dir=tmp_path, sandbox=True):
            pass


async def test_where_the_kernel_forbids_it_the_hub_does_not_start(tmp_path, monkeypatch):
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(HubStartError, match="No permissions to create new namespace"):
        async with serve(data_dir=tmp_path / "hub", sandbox=True):
            pass
