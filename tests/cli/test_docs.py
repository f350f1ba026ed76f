"""docs/si.md and the man page are what the commands say of themselves, and the session in it is what happens."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from transform_hub.cli import reference

DOCS = Path(__file__).parents[2] / "docs"
REWRITE = os.environ.get("WRITE_DOCS") == "1"

BEGIN, END = "<!-- session: recorded by `make docs` -->\n", "<!-- end of the session -->\n"

SESSION = """
si hub start --detach --port 0 | tee hub.json
si config set apiUrl $(python -c 'import json; print(json.load(open("hub.json"))["url"])')
si init sequence --path shout
echo "make me loud" | si run shout
si seq send shout
si seq list --format pretty
si seq start shout
echo "louder" | si inst input - --end
si inst output -
si inst info - --format pretty
si seq delete shout
si inst info nobody; echo "exit code $?"
si hub stop
"""


def test_the_reference_is_that_of_the_commands_and_settings():
    for name in ("si.md", "hub.md"):
        page = (DOCS / name).read_text()
        assert reference.replaced(page) == page, "out of date: run `make docs`"
    assert reference.man_page() == (DOCS / "si.1").read_text(), "out of date: run `make docs`"


def test_every_command_and_option_has_help():
    for typed, command, _ in reference.commands():
        assert command.help, typed
        for param in command.params:
            assert param.name == "help" or getattr(param, "help", None) or param.hidden, (typed, param.name)


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_shows_the_page():
    shown = subprocess.run(["man", "-l", DOCS / "si.1"], capture_output=True, text=True, check=True, timeout=30)
    assert "EXIT STATUS" in shown.stdout
    assert shown.stderr == ""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_session_in_the_documentation_is_what_happens(lonely):
    page = (DOCS / "si.md").read_text()
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    recorded = f"{head}{begin}\n```console\n{record(lonely)}```\n\n{end}{tail}"
    if REWRITE:
        (DOCS / "si.md").write_text(recorded)
    assert recorded == page or REWRITE, "out of date: run `make docs`"


def record(si):
    """The session as a shell shows it; what differs each time is made the same."""
    shown = []
    script = "".join(f"printf '\\001'; {line}\n" for line in SESSION.strip().splitlines())
    done = subprocess.run(
        ["bash"], input=script.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=si.cwd, env=si.env,
        timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    for line, output in zip(SESSION.strip().splitlines(), done.stdout.decode().split("\1")[1:], strict=True):
        shown.append(f"$ {line}\n{output}")
    return normal("".join(shown), str(si.cwd))


def normal(text, folder):
    text = (
        text.replace(folder, "/home/me")
        .replace("/home/me/home", "/home/me")
        .replace("/home/me/state", "~/.local/state")
    )
    ids = dict.fromkeys(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", text))
    for number, each in enumerate(ids, 1):
        text = text.replace(
            each, f"{number}f3a".rjust(8, "0") + each[8:].translate(str.maketrans("123456789abcdef", "0" * 15))
        )
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", text)
    text = re.sub(r'"port":\d+', '"port":8000', text)
    text = re.sub(r"/\d+\.log", "/8000.log", text)
    text = re.sub(r'"pid":\d+', '"pid":4711', text)
    text = re.sub(r'"started":[\d.]+', '"started":1700000000.0', text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "2026-01-31T12:00:00.000Z", text)
    text = re.sub(r'("packageSize": ?)\d+', r"\g<1>500", text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())
