"""``sth`` and its secrets: tokens from files and the environment, and who can see them."""

import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from test_sth import start, write  # noqa: F401 - fixtures

from processes import without_capabilities

pytestmark = pytest.mark.slow

FULL, READ = secrets.token_hex(), secrets.token_hex()  # found nowhere else on this machine
LINES = f"ci:full:{FULL}\nlook:read-only:{READ}\n"


def status(sth, token, method="GET", path="/version"):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(sth.url + path, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_tokens_come_from_the_environment(start):  # noqa: F811
    sth = start(STH_TOKEN=LINES).run()
    assert [status(sth, token) for token in (FULL, READ, "wrong")] == [200, 200, 401]
    assert status(sth, READ, "DELETE", "/sequence/x") == 403
    assert status(sth, FULL, "DELETE", "/sequence/x") == 404


def test_tokens_are_read_again_after_a_hangup(start, write):  # noqa: F811
    file = Path(write("tokens", LINES))
    sth = start("--token-file", file).run()
    file.write_text("new:full:new-token-0123456789\n")
    sth.process.send_signal(signal.SIGHUP)
    while status(sth, "new-token-0123456789") == 401:
        assert sth.process.poll() is None
    assert status(sth, FULL) == 401


@pytest.mark.parametrize("tokens", ["a:b:c", ""])
def test_wrong_tokens_are_told_and_nothing_starts(start, write, tokens):  # noqa: F811
    sth = start("--token-file", write("tokens", tokens))
    out, errors = sth.process.communicate(timeout=100)
    assert (sth.process.returncode, out) == (1, "")
    assert errors.splitlines()[-1].startswith(f"sth: {write('tokens', tokens)}")


def test_no_secret_stands_in_arguments_environment_or_log(start, write, tmp_path):  # noqa: F811
    source = tmp_path / "looks"
    source.mkdir()
    (source / "package.json").write_text(json.dumps({"name": "looks", "main": "main.py"}))
    (source / "main.py").write_text("""
import pathlib
def run(context, input):
    found = []
    for each in pathlib.Path("/proc").iterdir():
        if each.name.isdigit():
            for name in ("cmdline", "environ"):
                try:
                    found.append((each / name).read_bytes())
                except OSError:
                    pass
    return b"".join(found).replace(b"\\0", b"\\n").decode("utf-8", "replace")
""")
    for zygote in ("--zygote", "--no-zygote"):
        startup = write("startup.yaml", {"sequences": [{"path": str(source)}]})
        file = write("tokens", LINES)
        sth = start("-S", startup, "-L", "trace", zygote, "--token-file", file).run()
        headers = {"Authorization": f"Bearer {FULL}"}
        answer = urllib.request.urlopen(urllib.request.Request(sth.url + "/instances", headers=headers), timeout=20)
        (instance,) = json.load(answer)
        output = f"{sth.url}/instance/{instance['id']}/output"
        with urllib.request.urlopen(urllib.request.Request(output, headers=headers), timeout=20) as answer:
            seen = answer.read().decode()
        assert "sth" in seen
        code, log = sth.end()
        assert code == 0
        for text in (seen, log, sth.rest):
            assert FULL not in text
            assert READ not in text


@pytest.mark.parametrize("hidden", [False, True])
def test_processes_of_the_same_user_do_not_see_the_environment_of_the_hub(hidden):
    look = "import sys; print(open(f'/proc/{sys.argv[1]}/environ').read())"
    code = "from transform_hub import privacy" + "; privacy.hide_memory()" * hidden
    process = subprocess.Popen(
        [*without_capabilities(), sys.executable, "-c", f"{code}; print(flush=True); input()"],
        env={**os.environ, "SECRET": FULL}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    process.stdout.readline()
    seen = subprocess.run(
        [*without_capabilities(), sys.executable, "-c", look, str(process.pid)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    process.communicate(b"\n")
    assert (FULL in seen.stdout) is not hidden
