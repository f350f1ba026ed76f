"""``--env``, ``--env-file``, ``--secret`` and ``--hub-secret``."""

import json
import os
import pty
import subprocess

import pytest

from sth_process import Sth

pytestmark = pytest.mark.slow

TELLS = """
import json, os
async def run(context, input):
    words = {name: value for name, value in os.environ.items() if name.startswith("WORD")}
    yield json.dumps([words, dict(context.secrets)])
"""
WAITS = TELLS + "    async for _ in input: pass\n"
GIVEN = ("--env", "WORD=a=b", "--secret", "KEY=hunter2")


def told(done):
    return json.loads(done.stdout)


def test_run(si, folder):
    done = si("run", folder(TELLS), *GIVEN, "--env", "WORD2", "--secret", "OTHER", WORD2="own", OTHER="hunter3")
    assert told(done) == [{"WORD": "a=b", "WORD2": "own"}, {"KEY": "hunter2", "OTHER": "hunter3"}]


def test_start_deploy_and_restart(si, folder):
    path = folder(WAITS)
    sequence = si("-q", "seq", "send", path).text.strip()
    for command in (("seq", "start", sequence), ("seq", "deploy", path)):
        instance = si("-q", *command, *GIVEN).text.strip()
        info = si("inst", "info", instance).json
        assert (info["env"], info["secrets"]) == (["WORD"], ["KEY"])
        refused = si("inst", "restart", instance, code=2)
        assert "has env that the Hub does not tell: give WORD again" in refused.stderr
        assert si("-q", "inst", "restart", instance, "--env", "WORD=c", "--secret", "KEY", KEY="new").text.strip()
        assert si("inst", "info", instance).json["secrets"] == ["KEY"]
        si("inst", "kill", instance, "--remove-immediately")


def test_a_file_of_variables(si, folder, tmp_path):
    (tmp_path / "first.env").write_text(
        "\ufeff# comment\n\n WORD1 = one two  \nexport WORD2='  quoted # \"'\r\nWORD3=\nWORD4=\"a=b\"\nWORD5='open\n"
    )
    (tmp_path / "second.env").write_text("WORD1=later\n")
    files = ("--env-file", "first.env", "--env-file", "second.env")
    words, _ = told(si("run", folder(TELLS), *files, "--env", "WORD4=option"))
    assert words == {"WORD1": "later", "WORD2": '  quoted # "', "WORD3": "", "WORD4": "option", "WORD5": "'open"}


def test_a_startup_file_and_options_over_it(si, folder, tmp_path):
    entry = {"env": {"WORD": "file", "WORD2": "file"}, "secrets": {"KEY": "hunter2"}}
    (tmp_path / "start.json").write_text(json.dumps({"sequences": [entry]}))
    sequence = si("-q", "seq", "send", folder(TELLS)).text.strip()
    instance = si(
        "-q", "seq", "start", sequence, "--startup-config", "start.json", "--env", "WORD=option", "--secret", "MORE=x"
    ).text.strip()
    assert json.loads(si("inst", "output", instance).text) == [
        {"WORD": "option", "WORD2": "file"}, {"KEY": "hunter2", "MORE": "x"},
    ]  # fmt: skip
    (tmp_path / "bad.json").write_text(json.dumps({"env": {"PORT": 80}}))
    assert (
        "env: Expected `str`, got `int`" in si("seq", "start", sequence, "--startup-config", "bad.json", code=2).stderr
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--secret", "KEY"), "--secret KEY has no value: the environment of si has none, and there is no terminal"),
        (("--env", "WORD"), "--env WORD has no value: the environment of si has none"),
        (("--secret", "=hunter2"), "--secret has no name"),
        (("--env", "=hunter2"), "--env has no name"),
        (("--env-file", "bad.env"), "bad.env:2 is not NAME=VALUE"),
        (("--env-file", "bytes.env"), "bytes.env is not text in UTF-8"),
        (("--env-file", "nowhere"), "No such file"),
        (("--hub-secret", "KEY"), "--hub-secret KEY needs a file: KEY=FILE"),
        (("--secret", b"KEY=hunter2\xff"), "the value of 'KEY' is not UTF-8"),
    ],
)
def test_a_mistake_is_told_without_the_value(words, says, si, folder, tmp_path):
    (tmp_path / "bad.env").write_text("WORD=1\nhunter2\n")
    (tmp_path / "bytes.env").write_bytes(b"WORD=hunter2\xff\n")
    done = si("run", folder(TELLS), *words, code=1 if "nowhere" in words else 2)
    assert says in done.stderr
    assert "hunter2" not in done.stderr


def test_the_hub_says_what_it_refuses(si, folder):
    done = si("run", folder(TELLS), "--env", "PYTHONPATH=/hunter2", code=1)
    assert "PYTHONPATH is read when a process starts" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_terminal_is_asked(si, folder):
    sequence = si("-q", "seq", "send", folder(WAITS)).text.strip()
    parent, child = pty.openpty()
    process = subprocess.Popen(
        ["si", "seq", "start", sequence, "--inst-id", "t" * 36, "--secret", "KEY"],
        stdin=child, stdout=child, stderr=child, cwd=si.cwd, env=si.env, start_new_session=True,
    )  # fmt: skip
    os.close(child)
    seen = b""
    try:
        while data := os.read(parent, 65536):
            seen += data
            if seen.endswith(b"KEY: "):
                os.write(parent, b"hunter2\n")
    except OSError:  # the other end is closed
        pass
    os.close(parent)
    assert process.wait() == 0, seen
    assert b"hunter2" not in seen
    si("inst", "stop", "t" * 36)
    assert json.loads(si("inst", "output", "t" * 36).text) == [{}, {"KEY": "hunter2"}]


def test_files_of_the_hub_by_option_and_by_startup_file(lonely, folder, tmp_path):
    (tmp_path / "vault").mkdir(0o700)
    (tmp_path / "vault" / "db").write_text("from a file\n")
    path = folder(TELLS, name="tells")
    entry = {"path": str(path), "instanceId": "i" * 36, "env": {"WORD": "file"}, "secrets": {"DB": {"file": "db"}}}
    (tmp_path / "start.json").write_text(json.dumps({"sequences": [entry]}))
    options = ("-P", 0, "-D", tmp_path / "root", "--secrets-dir", tmp_path / "vault", "-S", tmp_path / "start.json")
    sth = Sth(*options, stderr=subprocess.DEVNULL).run()
    try:
        lonely("config", "set", "apiUrl", sth.url)
        assert json.loads(lonely("inst", "output", "i" * 36).text) == [{"WORD": "file"}, {"DB": "from a file"}]
        assert told(lonely("run", path, "--hub-secret", "DB=db")) == [{}, {"DB": "from a file"}]
        refused = lonely("run", path, "--hub-secret", "DB=../start.json", code=1)
        assert "must be the name of a file in the secrets directory" in refused.stderr
    finally:
        sth.end()


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"env": {"PYTHONPATH": "hunter2"}}, "sequences[0].env: PYTHONPATH is read"),
        ({"env": {"A": 5}}, "sequences[0].env[...]: Expected `str`, got `int`"),
        ({"secrets": {"": "hunter2"}}, "sequences[0].secrets: a name is empty"),
        ({"secrets": {"K": {"value": "hunter2"}}}, "sequences[0].secrets[...]"),
    ],
)
def test_what_a_startup_file_can_not_have(entry, says, tmp_path):
    (tmp_path / "start.json").write_text(json.dumps({"sequences": [{"name": "x", **entry}]}))
    sth = Sth("-P", 0, "-D", tmp_path / "root", "-S", tmp_path / "start.json")
    _, errors = sth.process.communicate(timeout=50)
    assert sth.process.returncode != 0
    assert says in errors
    assert "hunter2" not in errors
