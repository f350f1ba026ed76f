"""What is only seen at a terminal: tables, colours, progress, the live view."""

import json
import os
import pty
import re
import signal
import subprocess

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def at_terminal(si):
    """Runs ``si`` at a terminal; all that appears there."""

    def run(*words, code=0, until=None, is_text=True, **env):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["si", *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=si.cwd,
            env={**si.env, "TERM": "xterm", **env},
        )
        os.close(theirs)
        seen = b""
        try:
            while data := os.read(ours, 65536):
                seen += data
                if until is not None and until in seen:
                    process.kill()
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert process.wait(20) == code, seen
        return seen.decode() if is_text else seen

    return run


def test_a_terminal_gets_tables_and_a_pipe_gets_json(at_terminal, si, folder):
    sequence = si("-q", "seq", "send", folder("def run(context, input): pass\n")).text.strip()
    table = re.sub(r"\x1b\[[0-9;]*m", "", at_terminal("seq", "ls", COLUMNS="160"))
    assert re.search(r"ID +NAME +VERSION", table)
    assert re.search(rf"{sequence} +test +1\.0\.0", table)
    narrow = re.sub(r"\x1b\[[0-9;]*m", "", at_terminal("seq", "ls", COLUMNS="60"))
    start = next(start for start in re.findall(r"^ (\S+)", narrow, re.MULTILINE) if sequence.startswith(start))
    assert si("seq", "info", start).json["id"] == sequence
    assert max(map(len, narrow.splitlines())) <= 60
    assert '"id":"' in at_terminal("seq", "ls", "--format", "json")
    si("config", "set", "log", "--format", "json")
    assert '"id":"' in at_terminal("seq", "ls")


def test_logs_are_coloured_at_a_terminal_only(at_terminal, si, folder):
    si("seq", "deploy", folder("def run(context, input):\n    context.logger.warning('watch out')\n    return ''\n"))
    assert "\x1b[33mWARN" in at_terminal("inst", "log", "-")
    for plain in (at_terminal("inst", "log", "-", NO_COLOR="1"), at_terminal("inst", "log", "-", "--no-color")):
        assert re.search(r"\dZ WARN +\S* watch out", plain)
        assert "\x1b[" not in plain
    assert "\x1b" not in si("inst", "log", "-").text
    assert si("inst", "log", "-", "--since", "2100-01-01T00:00:00Z").text == ""
    coloured = si("util", "log-format", stdin=si("inst", "log", "-").stdout).text
    assert "\x1b[33mWARN" in coloured


def test_progress_is_shown_at_a_terminal_only(at_terminal, si, folder):
    path = folder("def run(context, input): pass\n")
    assert "Sending test.tar.gz" in at_terminal("seq", "send", path)
    assert "Sending" not in at_terminal("seq", "send", path, "-q")
    assert "Sending" in si("seq", "send", path, "--progress").stderr
    assert si("seq", "send", path).stderr == ""
    assert "Sending test.tar.gz" in at_terminal("seq", "update", "-", path)


def test_top_shows_state_process_and_traffic(at_terminal, si, folder):
    instance = si("-q", "seq", "deploy", folder("def run(context, input):\n    return input\n", "watched")).text.strip()
    si("inst", "input", instance, stdin=b"x" * 12345)
    row = next(each for each in si("inst", "top", "--once", "-n", "0.2").json if each["id"] == instance)
    assert (row["sequence"], row["status"], row["healthy"], row["bytes_in"]) == ("watched", "running", True, 12345)
    assert row["memory"] > 1_000_000
    assert row["in_per_second"] == 0
    shown = at_terminal("inst", "top", "--once", "-n", "0.2", COLUMNS="160")
    assert instance in shown
    assert "12.3 kB" in shown
    si("inst", "kill", instance)


CONTROLS = "\x1b]0;forged\x07\x1b[2J\x1b[5mred\rX\n2026-01-01 forged\u202e\x9b31m\x7f"
FORGED = re.compile("\x1b\\]|\x1b\\[(?:2J|5m)|\x07|red\rX|[\x7f-\x9f\u202e]|\n2026-01-01 forged")
SOURCE = f"""
async def run(context, input):
    context.logger.error({CONTROLS!r})
    context.emit("told", {CONTROLS!r})
    raise RuntimeError({CONTROLS!r})
"""


@pytest.fixture
def forging(folder):
    """The folder of a Sequence all of whose texts hold control characters, but for its own folder's name."""

    def make(name):
        named = {"name": f"{name}[link=http://forged]\x1b[5m", "version": "1.0.0", "main": "main.py"}
        about = {"description": CONTROLS, "author": CONTROLS, "keywords": [CONTROLS], "engines": {"python3": "*"}}
        return folder(SOURCE, name=name, files={"package.json": json.dumps({**named, **about})})

    return make


def test_text_of_others_does_not_drive_the_terminal(at_terminal, si, forging):
    path = forging("driver")
    sequence = si("-q", "seq", "send", path).text.strip()
    instance = si("-q", "seq", "start", sequence).text.strip()
    si("inst", "log", instance)  # until it has ended
    for words in (
        ("seq", "ls"), ("seq", "ls", "--format", "json"), ("seq", "get", sequence), ("inst", "ls"),
        ("inst", "info", instance), ("inst", "history"), ("inst", "top", "--once", "-n", "0.2"),
        ("inst", "log", instance), ("inst", "log", instance, "--format", "json"),
        ("inst", "log", instance, "--format", "json", "--since", "1h"), ("inst", "event", "on", instance, "told"),
    ):  # fmt: skip
        shown = at_terminal(*words, COLUMNS="600")
        assert "forged" in shown, words
        assert not FORGED.search(shown), (words, shown)
    assert "driver[link=http://forged]" in at_terminal("seq", "ls", COLUMNS="600")
    for words in (("hub", "logs"), ("hub", "audit")):
        assert not FORGED.search(at_terminal(*words, until=sequence.encode(), code=-signal.SIGKILL))
    # Its stderr is a stream, whose colours and newlines pass.
    assert r"\x1b]0;forged\x07\x1b[2J" + "\x1b[5mred" + r"\rX" in at_terminal("run", path, code=23)


def test_text_for_people_is_safe_in_a_pipe_too(si, forging):
    path = forging("piped")
    sequence = si("-q", "seq", "send", path).text.strip()
    assert si("seq", "get", sequence).json["config"]["description"] == CONTROLS
    assert not FORGED.search(si("seq", "ls", "--format", "pretty").text)
    si("seq", "send", path)
    error = si("seq", "get", "piped", code=2).stderr
    assert error.count(r"piped[link=http://forged]\x1b[5m") == 2
    assert not FORGED.search(error)


WRITTEN = b"\x1b[31mred\x1b[0m\ttab\r\n\xc2\x9b5m\x9b5m\xe2\x80\xae\x1b]0;x\x07\x1b[32mgreen\n"
SHOWN = b"\x1b[31mred\x1b[0m\ttab\r\r\n\\x9b5m\\x9b5m\\u202e\\x1b]0;x\\x07\x1b[32mgreen\r\n\x1b[0m"


@pytest.mark.parametrize("stream", ["stdout", "stderr", "output"])
def test_streams_keep_their_colours_at_a_terminal_and_are_raw_elsewhere(at_terminal, si, folder, stream):
    source = f"""
import sys
provides = {{"contentType": "application/octet-stream"}}
async def run(context, input):
    for each in (sys.stdout, sys.stderr):
        each.buffer.write({WRITTEN!r})
        each.flush()
    yield {WRITTEN!r}
"""
    sequence = si("-q", "seq", "send", folder(source)).text.strip()
    first, second, third = (si("-q", "seq", "start", sequence).text.strip() for _ in range(3))
    assert si("inst", stream, first).stdout == WRITTEN
    assert at_terminal("inst", stream, second).encode() == SHOWN
    raw = at_terminal("inst", stream, third, "--raw", is_text=False)
    assert raw == WRITTEN.replace(b"\n", b"\r\n")  # the terminal does it
