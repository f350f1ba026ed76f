"""``sth`` and ``si`` as programs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sth_process import Sth

BIN = Path(sys.executable).parent
SEQUENCE = Path(__file__).parents[2] / "examples" / "sequences" / "reading-ease"

pytestmark = pytest.mark.slow


def environment(**more):
    return {**os.environ, **more}


@pytest.fixture
def sth(tmp_path):
    """Starts ``sth`` on a free port; (process, url) once it runs."""
    started = []

    def start(*arguments, **env):
        started.append(Sth("-P", 0, "-D", tmp_path / "sequences", *arguments, env=environment(**env)))
        return started[-1].process, started[-1].run().url

    yield start
    for each in started:
        each.kill()


def refused(*arguments, **env):
    """What ``sth`` says when it does not start; exit code 1 and no traceback."""
    result = subprocess.run(
        [BIN / "sth", *arguments], capture_output=True, text=True, timeout=20, check=False, env=environment(**env)
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def si(*arguments, url, stdin=None, code=0, **env):
    result = subprocess.run(
        [BIN / "si", *arguments],
        input=stdin, capture_output=True, timeout=30, check=False, env=environment(SCRAMJET_HUB_URL=url, **env),
    )  # fmt: skip
    assert result.returncode == code, result.stderr.decode()
    return result.stdout.decode() if code == 0 else result.stderr.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_sth_ends_cleanly_on_signals_with_an_instance_running(sth, number):
    process, url = sth()
    sequence = si("-q", "seq", "send", SEQUENCE, url=url).strip()
    instance = si("-q", "seq", "start", sequence, url=url).strip()
    pid = json.loads(si("inst", "health", instance, url=url))["processId"]
    process.send_signal(number)
    assert process.wait(timeout=15) == 0
    assert not Path(f"/proc/{pid}").exists()
    assert "Traceback" not in process.stderr.read()


def test_sth_says_why_it_does_not_start(sth, tmp_path):
    _, url = sth()
    port = url.rpartition(":")[2].partition("/")[0]
    assert "in use" in refused("-P", port, "-D", tmp_path / "other")
    assert "token" in refused("-H", "0.0.0.0", "-D", tmp_path / "other")
    assert "log level" in refused("-L", "loud", "-D", tmp_path / "other")
    (tmp_path / "file").write_text("")
    assert "data directory" in refused("-D", tmp_path / "file")


def test_sth_takes_tokens_from_one_place(tmp_path):
    (tmp_path / "token").write_text("from-file\n")
    words = (BIN / "sth", "--token-file", tmp_path / "token")
    result = subprocess.run(
        words, capture_output=True, text=True, timeout=20, check=False, env=environment(STH_TOKEN="from-environment")
    )
    assert result.returncode == 2
    assert "not in both" in " ".join(result.stderr.split())


def test_sth_takes_a_token_from_the_environment_or_a_file(sth, tmp_path):
    (tmp_path / "token").write_text("from-file\n")
    for arguments, env, token in (
        (("--token-file", tmp_path / "token"), {}, "from-file"),
        ((), {"STH_TOKEN": "from-environment"}, "from-environment"),
    ):
        process, url = sth(*arguments, **env)
        assert "401" in si("hub", "version", url=url, code=1)
        assert json.loads(si("hub", "version", url=url, SCRAMJET_TOKEN=token))["apiVersion"] == "v1"
        process.terminate()  # two Hubs do not share a directory
        process.wait(timeout=100)


def test_a_token_of_any_kind_is_kept_in_the_profile(sth, lonely):
    _, url = sth(STH_TOKEN="no-json-web-token")
    lonely("config", "set", "apiUrl", url)
    assert "`si config set token TOKEN` or the variable SCRAMJET_TOKEN" in lonely("hub", "version", code=1).stderr
    assert "STH's own si would reset the profile" in lonely("config", "set", "token", "no-json-web-token").stderr
    assert lonely("hub", "version").json["apiVersion"] == "v1"


def test_the_token_of_the_hub_is_not_in_a_sequences_environment(sth, tmp_path):
    folder = tmp_path / "env"
    folder.mkdir()
    (folder / "package.json").write_text('{"main": "main.py"}')
    (folder / "main.py").write_text("import os\ndef run(context, input): return dict(os.environ)")
    _, url = sth("--runner-envs", "GIVEN=yes", STH_TOKEN="secret", OTHER="private")
    env = {"SCRAMJET_TOKEN": "secret"}
    instance = si("-q", "seq", "start", si("-q", "seq", "send", folder, url=url, **env).strip(), url=url, **env).strip()
    seen = json.loads(si("inst", "output", instance, url=url, **env))
    assert (seen["GIVEN"], seen["PATH"]) == ("yes", os.environ["PATH"])
    assert not {"STH_TOKEN", "OTHER"} & set(seen)
