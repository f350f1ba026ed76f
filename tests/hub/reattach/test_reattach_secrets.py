"""What an Instance was given outlives a Hub that is killed: variables, secrets, the files it has written."""

import json
import shutil
import socket
import stat

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(socket, "SCM_RIGHTS"), reason="no SCM_RIGHTS here")]

PYTHON = """
import json, os
async def run(context, input):
    count = len(list(context.data_dir.iterdir()))
    (context.data_dir / str(count)).touch()
    yield json.dumps([os.environ["WORD"], dict(context.secrets), count]) + "\\n"
    async for line in input:
        raise ValueError
"""
NODE = """
const fs = require("node:fs");
module.exports = async function* (input) {
    const count = fs.readdirSync(this.dataDir).length;
    fs.writeFileSync(`${this.dataDir}/${count}`, "");
    yield [process.env.WORD, { ...this.secrets }, count];
    for await (const line of input) throw new Error();
};
"""
AGAIN = {"policy": "on-failure", "maxRetries": 9, "delay": 10}


@pytest.fixture(params=["python", "node"])
def tells(request, package):
    if request.param == "python":
        return package(PYTHON)
    if shutil.which("node") is None:
        pytest.skip("JavaScript Sequences need Node.js on PATH")
    return package(files={"main.js": NODE}, main="main.js", engines={"node": ">=18"})


async def told(api, instance, position):
    """A line of the output that begins there, and where the next one does."""
    async with api.session.get(f"{api.url}{instance}/output", headers={"x-stream-position": str(position)}) as answer:
        line = await answer.content.readline()
    return json.loads(line), position + len(line)


async def test_a_restart_after_a_kill_of_the_hub_has_all_of_it(sth, tells, tmp_path):
    vault = tmp_path / "vault"
    vault.mkdir(0o700)
    (vault / "db").write_text("from a file")
    options = ("--reattach", "--secrets-dir", vault)
    api = await sth.start(*options)
    given = {"env": {"WORD": "word"}, "secrets": {"KEY": "hunter2", "DB": {"file": "db"}}}
    instance = await api.start(await api.send(tells), **given, restart=AGAIN)
    secrets = {"KEY": "hunter2", "DB": "from a file"}
    line, position = await told(api, instance, 0)
    assert line == ["word", secrets, 0]
    for number in range(1, 3):
        records = list((sth.folder / ".hub" / "instances").glob("*.json"))
        assert [stat.S_IMODE(each.stat().st_mode) for each in records] == [0o600]
        assert stat.S_IMODE(records[0].parent.stat().st_mode) == 0o700
        assert b"from a file" not in records[0].read_bytes()
        await sth.kill()
        api = await sth.start(*options)
        assert (await api.get(instance)).json["secrets"] == ["DB", "KEY"]
        await api.input(instance, "now\n", x_end_stream="false")
        await api.restarted(instance, number)
        line, position = await told(api, instance, position)
        assert line == ["word", secrets, number]
    data = sth.folder / ".hub" / "data" / instance.rpartition("/")[2]
    assert len(list(data.iterdir())) == 3
    await api.post(f"{instance}/_kill", {"removeImmediately": True})
    await api.answers(instance, 404)
    assert not data.exists()


async def test_what_others_could_read_they_can_not_any_more(sth, package):
    """The directory of an earlier Hub, which somebody has opened."""
    folder = sth.folder / ".hub" / "instances"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    await sth.start("--reattach")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_data_of_one_that_did_not_outlive_the_hub_is_deleted(sth, package):
    api = await sth.start("--no-reattach")
    instance = await api.start(await api.send(package(PYTHON)), env={"WORD": "word"})
    await told(api, instance, 0)
    data = sth.folder / ".hub" / "data"
    assert len(list(data.iterdir())) == 1
    await sth.kill()
    assert len(list(data.iterdir())) == 1
    await sth.start("--no-reattach")
    assert list(data.iterdir()) == []
