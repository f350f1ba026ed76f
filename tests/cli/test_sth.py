"""``sth`` as a process: its settings, what it starts by itself, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
import yaml

from sth_process import Sth
from transform_hub.cli.sth import app
from transform_hub.errors import HubStartError
from transform_hub.hub.setup.config_file import read_settings
from transform_hub.hub.setup.startup import read_startup
from transform_hub.package import Limits

BIN = Path(sys.executable).parent

pytestmark = pytest.mark.slow

SAY = """
import asyncio
async def run(context, input, *args):
    yield f"{context.config} {args}\\n"
"""
WAIT = "async def run(context, input):\n    async for _ in input: pass\n    yield ''\n"
TOPIC = """
provides = {"provides": "declared", "contentType": "text/plain"}
async def run(context, input):
    yield "said\\n"
    async for _ in input: pass
"""


@pytest.fixture
def start(tmp_path):
    """Starts ``sth`` on a free port, with its Sequences in ``tmp_path``."""
    started = []

    def run(*arguments, cwd=None, **env):
        env = {**os.environ, "STH_PORT": "0", **env}
        started.append(Sth("-D", tmp_path / "sequences", *arguments, env=env, cwd=cwd))
        return started[-1]

    yield run
    for each in started:
        each.kill()


@pytest.fixture
def write(tmp_path):
    """Writes a file; dicts become YAML, or JSON if it is named so."""

    def make(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if isinstance(content, str):
            path.write_text(content)
        else:
            path.write_text(json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content))
        return path

    return make


@pytest.fixture
def sequence(write):
    """Writes a Sequence; its directory."""

    def make(name, source):
        write(f"{name}/package.json", {"name": name, "main": "main.py", "engines": {"python3": ">=3.10"}})
        return write(f"{name}/main.py", source).parent

    return make


# Settings


@pytest.mark.parametrize("name", ["hub.yaml", "hub.json"])
def test_the_option_counts_more_than_the_environment_than_the_file_than_the_default(start, write, name):
    file = write(
        name,
        {
            "description": "file", "customName": "file", "host": {"id": "file"}, "tags": ["a", "b"],
            "instanceRequirements": {"freeMem": 7}, "runnerEnvs": {"A": "1;2"},
            "docker": {"runner": {"maxMem": 512}}, "cpmUrl": "",
        },
    )  # fmt: skip
    sth = start("-c", file, "--custom-name", "option", STH_CUSTOM_NAME="environment", STH_DESCRIPTION="environment")
    config = sth.run().get("/config")
    assert (config["customName"], config["description"], config["host"]["id"]) == ("option", "environment", "file")
    assert (config["tags"], config["safeOperationLimit"]) == (["a", "b"], 512)
    assert config["instanceRequirements"]["freeMem"] == 7
    code, errors = sth.end()
    assert code == 0
    assert "no effect here: docker" in errors


def test_what_a_hub_shows_is_a_configuration(start, write):
    first = start("--description", "one", "--tags", "a,b", "--min-free-mem", "7", "-L", "debug").run()
    shown = first.get("/config")
    assert first.end()[0] == 0
    second = start("-c", write("shown.json", shown), STH_PORT="")
    assert second.run().get("/config") == shown


def test_what_sth_shows_is_a_configuration(write):
    shown = {
        "logLevel": "trace", "logColors": True, "customName": "", "description": "", "tags": [], "cpmUrl": "",
        "cpmId": "", "cpm": {"maxReconnections": 100, "reconnectionDelay": 2000}, "debug": False,
        "docker": {"prerunner": {"image": "x", "maxMem": 128}, "runner": {"image": "x", "exposePortsRange": [3, 4]}},
        "identifyExisting": True, "instanceRequirements": {"cpuLoad": 10, "freeMem": 256, "freeSpace": 128},
        "host": {
            "apiBase": "/api/v1", "infoFilePath": "/tmp/sth-id.json", "instancesServerPort": "19201",
            "hostname": "127.0.0.1", "port": "19200", "federationControl": False,
        },
        "safeOperationLimit": 512, "runtimeAdapter": "process", "startupConfig": "", "exitWithLastInstance": False,
        "timings": {
            "heartBeatInterval": 10000, "instanceLifetimeExtensionDelay": "180000", "instanceAdapterExitDelay": 9000,
        },
        "telemetry": {"status": True, "loki": {"host": "x"}}, "platform": {"apiVersion": "v1"},
        "kubernetes": {"namespace": "default"}, "sequencesRoot": "/tmp/s", "monitorgingServer": {"port": 1},
    }  # fmt: skip
    settings = read_settings(write("sth.json", shown))
    assert (settings["port"], settings["instance_lifetime_extension_delay"]) == (19200, 180_000)
    assert "startup_config" not in settings


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"host": {"prot": 1}}, "there is no setting 'host.prot'; did you mean 'host.port'?"),
        ({"host": {"port": "x"}}, "host.port: Expected `int`, got `str`"),
        ({"tags": [1]}, "tags: "),
        ("a: [", "hub.yaml:1:5 is not YAML"),
        ("[]", "Expected `object`, got `array`"),
        ("host: 5", "hub.yaml: host: Expected `object`, got `int`"),
        ({"cpmUrl": "http://x"}, "cpmUrl: this Hub can't be connected to a Manager"),
        ({"platform": {"apiKey": "x"}}, "platform.apiKey: this Hub"),
    ],
)
def test_a_wrong_configuration_is_refused(write, content, said):
    with pytest.raises(HubStartError) as raised:
        read_settings(write("hub.yaml", content))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("option", "said"), [("-c", "x.json can't be read: No such file"), ("-S", "x.json can't be read")]
)
def test_a_file_that_is_not_there_is_told_and_nothing_starts(start, tmp_path, option, said):
    sth = start(option, tmp_path / "x.json")
    out, errors = sth.process.communicate(timeout=100)
    assert (sth.process.returncode, out) == (1, "")
    assert "x.json can't be read: No such file" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cpm-url", "x"), "Manager"),
        (("--platform-api-key", "x"), "Manager"),
        (("--runtime-adapter", "docker"), "processes only"),
        (("--port", "70000"), "65535"),
        (("--unread-limit", "1025"), "1<=x<=1024"),
        (("--runner-envs", "A"), "'A' is not NAME=value"),
    ],
)
def test_wrong_options_are_refused(start, arguments, said):
    sth = start(*arguments)
    out, errors = sth.process.communicate(timeout=100)
    assert (sth.process.returncode, out) == (2, "")
    assert said in errors


def test_an_error_names_the_variable_or_the_file_with_the_wrong_value(start, write):
    assert "for STH_MIN_FREE_CPU: 101.0 is not" in start(STH_MIN_FREE_CPU="101").process.communicate(timeout=100)[1]
    file = write("hub.yaml", {"maxInstances": 0})
    assert f"for --max-instances in {file}: 0 is not" in start("-c", file).process.communicate(timeout=100)[1]


def test_help_shows_every_option_whole_and_in_its_panel():
    env = {**os.environ, "COLUMNS": "80"}
    shown = subprocess.run([BIN / "sth", "--help"], capture_output=True, text=True, check=True, env=env).stdout
    words = re.sub(r"-\n +", "-", shown)  # a name may be broken where it has a hyphen
    for option in typer.main.get_command(app).params:
        for flag in option.opts + option.secondary_opts:
            assert re.search(rf"{flag}\b", words), flag
    assert max(map(len, shown.splitlines())) <= 80
    assert {"API:", "Instances:", "Refused:"} <= set(shown.splitlines())


def test_both_commands_tell_their_version_also_as_a_module():
    for words in ([BIN / "sth"], [BIN / "si"], [sys.executable, "-m", "transform_hub"]):
        told = subprocess.run([*words, "--version"], capture_output=True, text=True, check=True).stdout
        assert told.strip() == version("scramjet-api-client")


def test_options_of_sth_without_meaning_here_are_accepted_aloud(start):
    sth = start(
        "-E", "-K", "--no-docker", "--no-telemetry", "--no-colors", "--isp", "0", "--runner-image", "x",
        "--k8s-namespace", "x", "--debug", "--runtime-adapter", "detect",
    )  # fmt: skip
    errors = sth.run().end(signal.SIGINT)[1]
    for name in ("containers", "kubernetes", "debug"):
        assert f"{name}: no effect here" in errors
    assert "telemetry" not in errors


# What it starts by itself


def test_what_the_startup_configuration_says_runs_before_running_is_said(start, write, sequence):
    sequence("say", SAY)
    sequence("topic", TOPIC)
    instance_id = "0f2c8a1e-3a51-4a0e-9d6c-0b9f6d1f7a11"
    file = write(
        "startup.yaml",
        {
            "topics": [{"name": "made", "contentType": "text/plain"}],
            "sequences": [
                {"path": "say", "args": [1, "two"], "appConfig": {"x": None}, "instanceId": instance_id},
                {"path": "topic", "outputTopic": "made", "limits": {"memory": 512}},
                {"id": "nobody"},
                *[{"path": "topic", "outputTopic": "made"}] * 6,
            ],
        },
    )
    sth = start("-S", file).run()
    instances = sth.get("/instances")
    assert len(instances) == 8
    with urllib.request.urlopen(f"{sth.url}/instance/{instance_id}/output") as answer:
        assert answer.read().decode() == "{'x': None} (1, 'two')\n"
    assert [topic["topicName"] for topic in sth.get("/topics")] == ["made"]
    assert {each.get("provides") for each in instances} - {None, ""} == {"made"}
    code, errors = sth.end()
    assert code == 0
    assert "nobody is not started: there is no such Sequence" in errors


def test_a_restart_finds_the_sequences_of_the_startup_configuration(start, write, sequence):
    sequence("say", SAY)
    file = write("startup.json", {"sequences": [{"path": "say"}]})
    ids = []
    for source in (SAY, SAY, WAIT):
        sequence("say", source)
        sth = start("-S", file).run()
        ids.append({each["id"] for each in sth.get("/sequences")})
        assert sth.end()[0] == 0
    assert ids[0] == ids[1]
    assert len(ids[2]) == 2


def test_sequences_that_are_there_are_started_by_name_or_id(start, write, sequence):
    sequence("say", SAY)
    first = start("-S", write("first.json", {"sequences": [{"path": "say"}]})).run()
    (there,) = first.get("/sequences")
    first.end()
    sth = start("-S", write("second.yaml", {"sequences": [{"name": "say"}, {"id": there["id"]}]})).run()
    assert len(sth.get("/instances")) == 2


def test_a_directory_of_sequences_may_be_relative(start, write, sequence, tmp_path, monkeypatch):
    sequence("wait", WAIT)
    monkeypatch.chdir(tmp_path)
    sth = start("-D", "here", "-S", write("startup.json", {"sequences": [{"path": "wait"}]})).run()
    (instance,) = sth.get("/instances")
    assert instance["status"] in {"starting", "running"}
    assert Path("here", instance["sequence"]["id"]).is_dir()


@pytest.mark.parametrize("option", ["--zygote", "--no-zygote"])
def test_modules_in_the_directory_where_it_is_started_are_not_imported(start, write, sequence, option):
    folder = sequence("wait", WAIT).parent
    for name in ("typing", "queue", "signal", "json"):
        write(f"{name}.py", "raise SystemExit('of the directory')")
    startup = write("startup.json", {"sequences": [{"path": "wait"}]})
    sth = start(option, "-S", startup, cwd=folder).run()
    (instance,) = sth.get("/instances")
    assert instance["status"] == "running"


def test_temporary_files_may_be_far_away(start, write, sequence, tmp_path):
    place = tmp_path / ("x" * 100)
    place.mkdir()
    sequence("wait", WAIT)
    startup = write("startup.json", {"sequences": [{"path": "wait"}]})
    sth = start("-S", startup, TMPDIR=str(place)).run()
    (instance,) = sth.get("/instances")
    assert instance["status"] in {"starting", "running"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"sequences": {}}, "sequences: Expected `array`, got `object`"),
        ({"sequences": [{"id": "x", "args": "x"}]}, "sequences[0].args: Expected `array`, got `str`"),
        ({"sequences": [{"id": "x", "argz": []}]}, "sequences[0]: Object contains unknown field `argz`"),
        ({"sequences": [{"args": []}]}, "sequences[0]: name the Sequence by one of id, name and path"),
        ({"sequences": [{"id": "x", "name": "x"}]}, "by one of"),
        ({"sequences": [{"id": "x", "instanceId": "x"}]}, "sequences[0].instanceId: 36 letters"),
        ({"sequences": [{"id": "x", "outputTopic": "a b"}]}, "sequences[0].outputTopic: 'a b'"),
        ({"sequences": [{"id": "x", "limits": {"memory": -1}}]}, "sequences[0].limits.memory: "),
        ({"sequences": [{"path": "nowhere"}]}, "sequences[0].path: there is no "),
        ({"sequences": [{"path": "say/main.py"}]}, "main.py is not a Sequence"),
        ({"sequences": [{"path": "sequences"}]}, "sequences is not a Sequence"),
        (
            {"topics": [{"name": "a"}, {"name": "b", "contentType": "x/y"}]},
            "topics[1]: 'x/y' is none of application/x-ndjson, ",
        ),
        ({"topics": [{"name": "a"}, {"name": "a", "contentType": "text/plain"}]}, "topics[1]: 'a'"),
        ("sequences: [", "is not YAML"),
    ],
)
def test_a_wrong_startup_configuration_is_refused(write, sequence, tmp_path, content, said):
    sequence("say", SAY)
    (tmp_path / "sequences").mkdir()
    with pytest.raises(HubStartError) as raised:
        read_startup(write("startup.yaml", content), tmp_path, Limits())
    assert said in str(raised.value)


def test_the_rest_is_started_if_one_can_not_be(start, write, sequence):
    sequence("say", SAY)
    one = {"path": "say", "instanceId": "0f2c8a1e-3a51-4a0e-9d6c-0b9f6d1f7a11"}
    sth = start("-S", write("startup.yaml", {"sequences": [one, one, {"path": "say"}]})).run()
    assert len(sth.get("/instances")) == 2
    assert "say could not be started: Instance with a given ID already exists" in sth.end()[1]


# How it ends


def test_it_ends_with_the_last_instance(start, write, sequence):
    sequence("say", SAY)
    sequence("wait", WAIT)
    file = write("startup.yaml", {"sequences": [{"path": "say"}, {"path": "wait"}]})
    sth = start("-S", file, "-X").run()
    assert sth.get("/config")["exitWithLastInstance"] is True
    for instance in sth.get("/instances"):
        assert sth.process.poll() is None
        path = f"{sth.url}/instance/{instance['id']}/_kill"
        body = b'{"removeImmediately": true}'
        request = urllib.request.Request(path, body, {"Content-Type": "application/json"}, method="POST")
        urllib.request.urlopen(request).close()
    assert sth.process.wait(timeout=100) == 0


@pytest.mark.parametrize("startup", [None, {"sequences": [{"id": "nobody"}]}])
def test_it_ends_with_101_if_there_was_nothing_to_wait_for(start, write, startup):
    sth = start("-X", *(("-S", write("startup.yaml", startup)) if startup else ()))
    assert "Nothing was started" in sth.process.communicate(timeout=100)[1]
    assert sth.process.returncode == 101


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_kill_on_exit_it_exits_with_the_signal(start, write, sequence, number):
    sequence("wait", WAIT)
    sth = start("-K", "-S", write("startup.yaml", {"sequences": [{"path": "wait"}]})).run()
    (instance,) = sth.get("/instances")
    pid = sth.get(f"/instance/{instance['id']}/health")["processId"]
    code, errors = sth.end(number)
    assert code == number
    assert not Path(f"/proc/{pid}").exists()
    assert "Traceback" not in errors


def test_open_requests_do_not_hold_it_up(start, write, sequence):
    sequence("wait", WAIT)
    sth = start("-S", write("startup.yaml", {"sequences": [{"path": "wait"}]})).run()
    instance = f"/instance/{sth.get('/instances')[0]['id']}"
    held = [
        sth.open("GET", path) for path in ("/log", "/audit", f"{instance}/output", f"{instance}/once/x", "/topic/a")
    ]
    held += [
        sth.open("POST", path, Transfer_Encoding="chunked", Content_Type="text/plain")
        for path in (f"{instance}/input", "/topic/b", "/sequence")
    ]
    assert held[0].getresponse().status == 200
    code, errors = sth.end()
    assert code == 0
    assert "Traceback" not in errors
    for connection in held:
        connection.close()


def test_a_signal_while_it_starts_up_ends_it(start, write, sequence):
    sequence("slow", "import time\ntime.sleep(4)\ndef run(context, input): pass")
    sth = start("-S", write("startup.yaml", {"sequences": [{"path": "slow"}]}))
    assert sth.line().startswith("API on ")
    code, errors = sth.end()
    assert code == 0
    assert "Traceback" not in errors
    assert sth.rest == ""


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-", ""])
def test_it_runs_though_nobody_listens(tmp_path, sequence, write, closed):
    sequence("say", SAY)
    startup = write("startup.yaml", {"sequences": [{"path": "say"}]})
    command = f"exec {BIN / 'sth'} -P 0 -D {tmp_path / 'sequences'} -S {startup} -X {closed}"
    environment = {**os.environ, "STH_INSTANCE_LIFETIME_EXTENSION_DELAY": "0"}
    process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    process.stdout.close()  # so that writing there fails, where it is not closed anyway
    with process.stderr:
        errors = process.stderr.read()
    assert process.wait(timeout=100) == 0
    assert b"Assertion" not in errors
    assert b"Traceback" not in errors


# Health


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture
def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_health_is_told_beside_the_api(start, free_port):
    port = free_port
    sth = start("--healtz-port", port, "--healtz-host", "127.0.0.1", "--healtz-path", "/well/").run()
    assert status(f"http://127.0.0.1:{port}/well") == (200, b"ok")
    assert status(f"http://127.0.0.1:{port}/")[0] == 404
    other = start("--healtz-port", port, "--healtz-host", "127.0.0.1")
    out, errors = other.process.communicate(timeout=100)
    assert (other.process.returncode, out) == (1, "")
    assert f"The health server can't listen on 127.0.0.1 port {port}: Address already in use" in errors
    assert sth.end()[0] == 0
