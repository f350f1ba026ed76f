"""``si hub start``: a Hub of this machine, in the foreground and in the background."""

import signal
import socket

import pytest

pytestmark = pytest.mark.slow


def test_in_the_background(lonely, tmp_path):
    started = lonely("hub", "start", "-d", "-P", "0", "-D", tmp_path / "sequences").json
    try:
        assert lonely("hub", "version", SCRAMJET_HUB_URL=started["url"]).json["apiVersion"] == "v1"
        assert lonely("hub", "status").json == started
        assert "no Hub runs" in lonely("hub", "status", "-P", "1", code=3).stderr
        taken = lonely("hub", "start", "-d", "-P", str(started["port"]), code=1).stderr
        assert "in use" in taken
        assert "Traceback" not in taken
    finally:
        assert lonely("hub", "stop").json == started
    assert "no Hub runs" in lonely("hub", "stop", code=3).stderr
    with socket.create_server(("127.0.0.1", started["port"])):
        pass  # the port is free


def test_in_the_foreground_until_ctrl_c(lonely, tmp_path):
    process = lonely.start("hub", "start", "-P", "0", "-D", tmp_path / "sequences")
    assert process.stdout.readline().startswith(b"API on http://127.0.0.1:")
    assert process.stdout.readline() == b"Running!\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0
    assert b"Traceback" not in errors


def test_by_default_at_the_port_of_the_profile(lonely, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        lonely("config", "set", "apiUrl", f"http://127.0.0.1:{port}/api/v1")
        said = lonely("hub", "start", "-d", "-D", tmp_path / "sequences", code=1).stderr
    assert f"port {port} is in use" in said
