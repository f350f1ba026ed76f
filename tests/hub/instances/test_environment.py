"""Environment variables and secrets of Instances: what arrives, what is refused, and where nothing of it shows."""

import asyncio
import io
import json
import os
import re
import shutil
import stat

import aiohttp
import psutil
import pytest

from transform_hub.errors import HubStartError
from transform_hub.hub.http.app import ROUTES
from transform_hub.hub.instances.environment import MAX_TOTAL, MAX_VARIABLE
from transform_hub.hub.server import serve
from transform_hub.models import SecretFile, StartRequest
from until import until

VALUE = "hunter2-9f0c1e"

PYTHON = """
import asyncio, json, os, subprocess, sys, time
loaded_with = os.environ.get("WORD")
async def run(context, input):
    child = [sys.executable, "-c", "import os; print(os.environ['WORD'])"]
    seen = {
        "loaded": loaded_with, "child": subprocess.run(child, capture_output=True, text=True).stdout.strip(),
        "zone": time.strftime("%Z", time.localtime(0)), "id": os.environ["INSTANCE_ID"] == context.instance_id,
        "secrets": dict(context.secrets), "inherited": os.environ.get("KEY"),
        "shown": f"{context.secrets} {vars(context)}",
    }
    yield json.dumps(seen)
"""
NODE = """
const { execFileSync } = require("node:child_process");
const { inspect } = require("node:util");
const loaded = process.env.WORD;
module.exports = async function () {
    const child = execFileSync("sh", ["-c", "echo $WORD"]).toString().trim();
    const zone = new Date(0).toLocaleTimeString("en", { timeZoneName: "short" }).split(" ").pop();
    return [{
        loaded, child, zone, id: process.env.INSTANCE_ID === this.instanceId, secrets: { ...this.secrets },
        inherited: process.env.KEY ?? null, shown: inspect(this, { depth: 6, showHidden: true }),
    }];
};
"""


def as_package(package, engine):
    if engine == "python":
        return package(PYTHON)
    return package(files={"main.js": NODE}, main="main.js", engines={"node": ">=18"})


@pytest.mark.parametrize(
    ("engine", "zygote", "limits"),
    [
        ("python", True, None), ("python", False, None), ("node", True, None),
        ("node", True, {"files": 500}),  # becomes Node.js itself: nothing is prepared for it
        ("node", False, None),
    ],
)  # fmt: skip
async def test_both_are_there_before_the_sequence_is_loaded(engine, zygote, limits, tmp_path, package, api_of):
    if engine == "node" and shutil.which("node") is None:
        pytest.skip("JavaScript Sequences need Node.js on PATH")
    async with serve(data_dir=tmp_path, zygote=zygote) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        instance = await api.start(
            await api.send(as_package(package, engine)), limits=limits,
            env={"WORD": "größe = $HOME\n", "TZ": "XYZ-5", "EMPTY": ""}, secrets={"KEY": VALUE},
        )  # fmt: skip
        seen = json.loads(await api.read(f"{instance}/output"))
    assert VALUE not in seen.pop("shown")
    assert seen.pop("zone") in ("XYZ", "GMT+5")
    assert seen == {
        "loaded": "größe = $HOME\n", "child": "größe = $HOME", "id": True,
        "secrets": {"KEY": VALUE}, "inherited": None,
    }  # fmt: skip


async def test_one_instance_has_nothing_of_another(api, package):
    sequence = await api.send(package("import os\nasync def run(context, input): yield os.environ.get('WORD', '-')"))
    words = [await api.start(sequence, **given) for given in ({"env": {"WORD": "one"}}, {})]
    assert [await api.read(f"{each}/output") for each in words] == [b"one", b"-"]


async def test_those_of_the_hub_are_overridden(tmp_path, package, api_of):
    source = "import os\nasync def run(context, input): yield os.environ['A'] + os.environ['B']"
    settings = {"data_dir": tmp_path, "runner_envs": {"A": "hub", "B": "hub"}}
    async with serve(**settings) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        instance = await api.start(await api.send(package(source)), env={"B": "own"})
        assert await api.read(f"{instance}/output") == b"hubown"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"env": {"": VALUE}}, "env: a name is empty"),
        ({"env": {f"K={VALUE}": "1"}}, "env: a name must not contain '=', as the one that begins with 'K'"),
        ({"env": {f"K\0{VALUE}": "1"}}, "env: a name has a NUL byte"),
        ({"env": {"K": f"\0{VALUE}"}}, "env: K has a NUL byte in its value"),
        ({"env": {"PYTHONPATH": VALUE}}, "env: PYTHONPATH is read when a process starts"),
        ({"env": {"LD_PRELOAD": VALUE}}, "env: LD_PRELOAD is read when a process starts"),
        ({"env": {"NODE_OPTIONS": VALUE}}, "env: NODE_OPTIONS is read when a process starts"),
        ({"env": {"INSTANCE_ID": VALUE}}, "env: INSTANCE_ID is the id of the Instance"),
        ({"env": {"K": VALUE + "x" * MAX_VARIABLE}}, f"env: K is longer than {MAX_VARIABLE} bytes"),
        ({"env": {f"K{n}": VALUE + "x" * 100_000 for n in range(11)}}, f"are longer than {MAX_TOTAL} bytes"),
        ({"secrets": {"K": VALUE + "x" * MAX_TOTAL}}, f"secrets: all together are longer than {MAX_TOTAL} bytes"),
        ({"secrets": {f"K={VALUE}": "1"}}, "secrets: a name must not contain '=', as the one that begins with 'K'"),
        ({"env": {"K": [VALUE]}}, "Invalid env[...] format: Expected `str`, got `array`"),
        ({"env": VALUE}, "Invalid env format: Expected `object | null`, got `str`"),
        ({"secrets": {"K": {"path": VALUE}}}, "Invalid secrets[...] format"),
        ({"secrets": {"K": {"file": VALUE}}}, "no --secrets-dir"),
    ],
)  # fmt: skip
async def test_a_refusal_says_why_and_not_what_was_given(given, says, api, package, caplog):
    sequence = await api.send(package("def run(context, input): return input"))
    body = io.BytesIO(json.dumps(given).encode())
    answer = await api.post(f"/sequence/{sequence}/start", body, content_type="application/json")
    assert (answer.status, says in answer.json["error"]) == (400, True), answer.text
    assert (VALUE in answer.text) == ("file" in json.dumps(given))  # the name of a file is no secret
    assert VALUE not in caplog.text
    assert (await api.get("/instances")).json == []


@pytest.mark.parametrize("name", ["PYTHONBREAKPOINT", "PYTHONASYNCIODEBUG", "NODE_ENV", "PATH", "HOME", "a b-c.d"])
async def test_what_has_an_effect_is_not_refused(name, api, package):
    source = "import os\nasync def run(context, input, name): yield os.environ[name]"
    instance = await api.start(await api.send(package(source)), env={name: "0"}, args=[name])
    assert await api.read(f"{instance}/output") == b"0"


async def test_the_largest_can_be_inherited(api, package):
    source = """
    import subprocess
    async def run(context, input):
        yield subprocess.run(["sh", "-c", 'echo ${#K}'], capture_output=True).stdout
    """
    env = {"K": "x" * (MAX_VARIABLE - len("K=") - 1), **{f"K{n}": "x" * 100_000 for n in range(9)}}
    instance = await api.start(await api.send(package(source)), env=env)
    assert await api.read(f"{instance}/output") == b"%d\n" % len(env["K"])


async def test_nothing_tells_a_value(tmp_path, package, api_of, caplog):
    """Every GET route, the log, the audit, all files of the Hub and all command lines."""
    caplog.set_level("DEBUG")
    folder = tmp_path / "hub"
    settings = {"data_dir": folder, "retention_ms": 60_000, "log_level": "trace", "reattach": True}
    async with serve(**settings) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        followed = {path: Followed(api, path) for path in ("/log", "/audit")}
        sequence = await api.send(package(FAILS))
        policy = {"policy": "on-failure", "maxRetries": 1, "delay": 10}
        given = {"env": {"WORD": VALUE}, "secrets": {"KEY": VALUE}, "restart": policy}
        instance = await api.start(sequence, **given)
        instance_id = instance.rpartition("/")[2]
        refused = await api.post(f"/sequence/{sequence}/start", {**given, "instanceId": instance_id})
        assert refused.status == 409
        info = (await api.get(instance)).json
        assert (info["env"], info["secrets"]) == (["WORD"], ["KEY"])
        runners = [" ".join(each.cmdline()) for each in psutil.Process().children(recursive=True)]
        assert any("zygote" in each for each in runners)
        texts = [refused.text, *runners, str(vars(api.instance(instance))), *await answers(api, sequence, instance_id)]
        (record,) = holding(folder, VALUE)
        assert (stat.S_IMODE(record.stat().st_mode), stat.S_IMODE(record.parent.stat().st_mode)) == (0o600, 0o700)
        assert record.parent.name == "instances"

        await api.input(instance, "now\n", x_end_stream="false")
        await api.restarted(instance, 1)
        await api.input(instance, "now\n")
        await api.ended(instance)
        assert holding(folder, VALUE) == []
        texts += await answers(api, sequence, instance_id)
        for stream in ("output", "stdout", "stderr", "log"):
            texts.append((await api.read(f"{instance}/{stream}")).decode())
        assert "ValueError: <secrets KEY>" in texts[-1]
        await api.post(f"{instance}/_kill", {"removeImmediately": True})
        await api.answers(instance, 404)
        texts += await answers(api, sequence, instance_id)
        for each in followed.values():
            texts.append(await each.until(instance_id))
    assert holding(folder, VALUE) == []
    assert instance_id in caplog.text
    assert [text for text in (*texts, caplog.text) if VALUE in text] == []


FAILS = """
async def run(context, input):
    async for _ in input:
        raise ValueError(context.secrets)
"""


class Followed:
    """What an endless stream has given so far."""

    def __init__(self, api, path):
        self._text = b""
        self._reading = asyncio.ensure_future(self._read(api, path))

    async def _read(self, api, path):
        async with api.session.get(api.url + path) as answer:
            async for chunk in answer.content.iter_any():
                self._text += chunk

    async def until(self, words):
        await until(lambda: words.encode() in self._text)
        self._reading.cancel()
        return self._text.decode()


async def answers(api, sequence_id, instance_id):
    """What all GET routes answer that end by themselves."""
    found = []
    for route in ROUTES:
        for path in (each.removeprefix("GET ") for each in route.paths if each.startswith("GET ")):
            if route.is_endless or not path.startswith("/api/v1/"):
                continue
            of = instance_id if "/instance/" in path else sequence_id
            address = re.sub(r"{id(:[^{}]*)?}", of, path.removeprefix("/api/v1"))
            for choice in next(iter(route.choices.values()), ("",)):
                answer = await api.get(re.sub(r"{\w+:[\w|]+}", choice, address))
                assert answer.status in (200, 404)
                found.append(f"{answer.text} {answer.headers}")
    assert len(found) > 12
    return found


def holding(folder, words):
    """The files that have words in them."""
    files = [each for each in folder.rglob("*") if each.is_file()]
    assert files
    return [each for each in files if words.encode() in each.read_bytes()]


# --- the Hub's own secret files


@pytest.fixture
def vault(tmp_path):
    folder = tmp_path / "vault"
    folder.mkdir(0o700)
    (folder / "db").write_text(f"{VALUE}\n")
    return folder


TELLS = """
import json
async def run(context, input):
    yield json.dumps(dict(context.secrets))
    async for _ in input:
        raise ValueError
"""


async def test_a_start_names_files_of_the_hub(tmp_path, vault, package, api_of):
    (vault / "..data").mkdir()
    (vault / "..data" / "linked").write_bytes(b"\xef\xbb\xbf a b \r\n\n")
    (vault / "linked").symlink_to("..data/linked")  # as Kubernetes mounts them
    async with serve(data_dir=tmp_path / "hub", secrets_dir=vault) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        given = {"DB": {"file": "db"}, "LINKED": {"file": "linked"}, "OWN": "own"}
        instance = await api.start(await api.send(package(TELLS)), secrets=given)
        await api.input(instance, b"")
        seen = json.loads(await api.read(f"{instance}/output"))
        assert str(vault) not in (await api.get("/config")).text
    assert seen == {"DB": VALUE, "LINKED": "\ufeff a b \r\n", "OWN": "own"}


async def test_a_restart_gets_what_is_in_the_file_by_then(tmp_path, vault, package, api_of):
    async with serve(data_dir=tmp_path / "hub", secrets_dir=vault) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        policy = {"policy": "on-failure", "maxRetries": 2, "delay": 10}
        instance = await api.start(await api.send(package(TELLS)), secrets={"DB": {"file": "db"}}, restart=policy)
        async with api.session.get(f"{api.url}{instance}/output") as output:
            assert json.loads(await output.content.readuntil(b"}"))["DB"] == VALUE
            (vault / "db").write_text("another")
            await api.input(instance, "now\n", x_end_stream="false")
            assert json.loads(await output.content.readuntil(b"}"))["DB"] == "another"
        (vault / "db").unlink()
        await api.input(instance, "now\n", x_end_stream="false")
        ended = await api.ended(instance)
    assert (ended["status"], ended["error"]) == (
        "errored",
        "The secret file 'db' can't be read: No such file or directory",
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        *((name, "must be the name of a file")
          for name in ("", ".", "..", "../outside", "/etc/passwd", "db/", "folder/db", "a\0b")),
        ("out", "leads out of the secrets directory"), ("round", "Too many levels of symbolic links"),
        ("pipe", "is not a file"), ("folder", "Is a directory"), ("large", "is not a file of at most"),
        ("bytes", "is not text in UTF-8"), ("nothing", "No such file"), ("x" * 300, "File name too long"),
    ],
)  # fmt: skip
async def test_no_other_file_can_be_named(name, says, tmp_path, vault, package, api_of):
    (tmp_path / "outside").write_text(VALUE)
    (vault / "out").symlink_to(tmp_path / "outside")
    (vault / "round").symlink_to("round")
    (vault / "folder").mkdir()
    (vault / "folder" / "db").write_text(VALUE)
    (vault / "large").write_bytes(bytes(MAX_TOTAL + 1))
    (vault / "bytes").write_bytes(b"\xff")
    os.mkfifo(vault / "pipe")
    async with serve(data_dir=tmp_path / "hub", secrets_dir=vault) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        sequence = await api.send(package(TELLS))
        answer = await api.post(f"/sequence/{sequence}/start", {"secrets": {"K": {"file": name}}})
        assert (answer.status, says in answer.json["error"]) == (400, True), answer.text
        assert str(tmp_path) not in answer.text
        assert (await api.get("/instances")).json == []


async def test_a_hub_does_not_start_without_its_secrets_directory(tmp_path):
    with pytest.raises(HubStartError, match=r"The secrets directory .*/nowhere can't be read: No such file"):
        async with serve(data_dir=tmp_path / "hub", secrets_dir=tmp_path / "nowhere"):
            pass


@pytest.mark.parametrize(
    ("folder", "file", "warns"), [(0o755, 0o644, True), (0o700, 0o644, False), (0o755, 0o600, False)]
)
async def test_it_warns_of_secrets_that_others_can_read(folder, file, warns, tmp_path, vault, caplog):
    (vault / "db").chmod(file)
    vault.chmod(folder)
    async with serve(data_dir=tmp_path / "hub", secrets_dir=vault):
        assert ("chmod 700" in caplog.text) == warns


def test_a_request_shows_names_only():
    request = StartRequest(env={"B": VALUE, "A": VALUE}, secrets={"K": VALUE, "F": SecretFile(file="db")})
    assert "env=['A', 'B'], secrets=['F', 'K']" in repr(request)
    assert VALUE not in repr(request)
