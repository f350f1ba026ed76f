"""What ``si`` says when something is wrong, and the codes that it exits with."""

import os
import signal
import socket
import subprocess

import pytest

from transform_hub.cli.exits import NO_HUB, NOT_FOUND, USAGE

pytestmark = pytest.mark.slow


def test_no_hub_says_how_to_get_one(lonely):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    lonely("config", "set", "apiUrl", f"http://127.0.0.1:{port}/api/v1")
    said = lonely("hub", "version", code=NO_HUB).stderr
    assert f"no Hub answers at http://127.0.0.1:{port}" in said
    assert "si hub start" in said
    assert "si config set apiUrl" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["run"], ["run", "--watch"], ["seq", "send"], ["seq", "deploy"], ["seq", "update", "x"]]
)
def test_nothing_is_installed_for_a_hub_that_does_not_answer(lonely, folder, words):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    lonely("config", "set", "apiUrl", f"http://127.0.0.1:{port}/api/v1")
    source = folder(
        "def run(context, input): ...", "with-deps", files={"requirements.txt": "--no-index\nnobody-has-it\n"}
    )
    said = lonely(*words, source, code=NO_HUB).stderr
    assert "no Hub answers" in said
    assert "Installing" not in said


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["seq", "start", "x", "--args", "x"], USAGE, "not JSON"),
        (["seq", "start", "x", "--args", "{}"], USAGE, "JSON array"),
        (["seq", "start", "x", "-s", "[]"], USAGE, "JSON object"),
        (["seq", "start", "x", "-f", "missing.json"], 1, "missing.json"),
        (["seq", "send", "missing"], NOT_FOUND, "there is no missing"),
        (["seq", "pack", "missing"], NOT_FOUND, "there is no missing"),
        (["seq", "send", "-"], USAGE, "no last package in this session: pack one with `si sequence pack`"),
        (["seq", "start", "x", "--output-topic", "a b"], USAGE, "'a b'"),
        (["config", "set", "apiUrl", "nonsense"], USAGE, "must be a URL like"),
        (["config", "set", "apiUrl", "http://hub/api/v1"], USAGE, "must name the port, as http"),
        (["config", "set", "token", "two words"], USAGE, "without spaces"),
        (["config", "set", "json", '{"env": "x"}'], USAGE, "development or production"),
        (["config", "profile", "create", "a b"], USAGE, "can't name a profile"),
        (["inst", "info", "-"], USAGE, "no last instance"),
        (["inst", "input", "x", "missing"], 1, "missing: No such file"),
        (["--config", "nobody", "hub", "version"], NOT_FOUND, "no profile 'nobody'"),
        (["hub", "version", "--config-path", "missing.json"], NOT_FOUND, "no profile file missing.json"),
        (["seq", "lst"], USAGE, "Did you mean 'list'"),
        (["inst", "log", "x", "--since", "soon"], USAGE, "is not a time"),
        (["inst", "output", "x", "--follow", "--tap"], USAGE, "either --follow or --tap"),
        (["hub", "status"], NOT_FOUND, "si hub start"),
        (["completion", "show", "csh"], USAGE, "bash, zsh and fish"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words, code, message, lonely):
    result = lonely(*words, code=code)
    assert message in result.stderr
    assert result.stdout == b""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["seq list", "--version", "topic list --format pretty"])
def test_closed_standard_streams_are_no_error(si, closed, command):
    done = subprocess.run(
        f"si {command} {closed}", shell=True, env=si.env, cwd=si.cwd, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_package_that_the_hub_refuses_is_an_error(si, tmp_path):
    (tmp_path / "bad.tar.gz").write_bytes(b"nothing")
    assert "422" in si("seq", "send", "bad.tar.gz", code=1).stderr
    (tmp_path / "folder").mkdir()
    assert "folder has no package.json" in (said := si("seq", "pack", "folder", code=1).stderr)
    assert "`si init sequence --path folder`" in said
    (tmp_path / "folder" / "package.json").write_text("{")
    for command in ("pack", "send", "deploy", "run"):
        assert "folder: package.json is not valid JSON" in si("seq", command, "folder", code=1).stderr


def test_a_hint_names_what_says_where_the_hub_is(lonely):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/api/v1"
    assert "point the variable SCRAMJET_HUB_URL" in lonely("hub", "version", code=NO_HUB, SCRAMJET_HUB_URL=url).stderr


def test_a_sequence_in_use_is_not_deleted_and_the_error_says_how(si, folder):
    sequence = si("-q", "seq", "send", folder("def run(context, input):\n    return input\n")).text.strip()
    si("seq", "start", sequence)
    assert "--force kills its Instances" in si("seq", "delete", sequence, code=1).stderr
    si("seq", "delete", "--force", sequence)


def test_readers_that_go_away_and_ctrl_c_end_it_quietly(si, folder):
    instance = si("-q", "seq", "deploy", folder("def run(context, input):\n    return input\n")).text.strip()
    for stream in ("log", "output"):
        read, write = os.pipe()
        process = si.start("inst", stream, instance, stdout=write)
        os.close(write)
        if stream == "log":
            assert os.read(read, 1)
        os.close(read)  # even with nothing to write, it notices
        assert process.wait(20) == 0
        assert process.communicate()[1] == b""
    process = si.start("inst", "log", instance)
    assert process.stdout.read(1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=100)[1] == b""
    assert process.returncode == 130
    si("inst", "kill", instance)
