"""What is only seen at a terminal: tables, colours, progress, the live view."""

import os
import pty
import re
import subprocess

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def at_terminal(si):
    """Runs ``si`` at a terminal; all that appears there."""

    def run(*words, **env):
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
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert process.wait(20) == 0, seen
        return seen.decode()

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
