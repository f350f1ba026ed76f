"""Restart policies, seen from ``si``."""

import json

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def failing(tmp_path):
    """The folder of a Sequence that fails at once."""
    folder = tmp_path / "failing"
    folder.mkdir()
    (folder / "main.py").write_text("1 / 0\n")
    (folder / "package.json").write_text(
        json.dumps({"name": "failing", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.10"}})
    )
    return folder


def test_restarts_are_asked_for_and_shown(si, failing, tmp_path):
    options = tmp_path / "options.yaml"
    options.write_text("restart: {policy: on-failure, delay: 3600000, maxDelay: 3600000}\n")
    instance = si("seq", "deploy", failing, "--startup-config", options).json["id"]
    info = si("inst", "info", instance).json
    assert (info["status"], info["restarts"]) == ("initializing", 1)
    table = si("inst", "list", "--format", "pretty", COLUMNS="200").text
    assert f"initializing at {info['nextRestart']}" in next(line for line in table.splitlines() if instance in line)
    [row] = [row for row in si("inst", "top", "--once", "-n", "0.1").json if row["id"] == instance]
    assert row["restarts"] == 1
    assert si("inst", "kill", instance).json["terminated"]["exitcode"] == 137

    [told] = si("inst", "history", "--sequence", "failing").json
    assert (told["id"], told["restarts"], told["terminated"]["exitcode"]) == (instance, 1, 137)
    assert instance in si("inst", "history", "--format", "pretty", COLUMNS="200").text

    instance = si("seq", "start", "failing", "--restart", "on-failure:1").json["id"]
    assert si("inst", "info", instance).json["restartPolicy"]["maxRetries"] == 1
    assert "Invalid restart format" in si("seq", "start", "failing", "--restart", "often", code=1).stderr
