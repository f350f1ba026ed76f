"""The log of ``sth`` as a process: text on a terminal, JSON otherwise, ids of requests, and no secrets."""

import http.client
import json
import os
import pty
import re
import secrets
import socket
from urllib.parse import urlsplit

import pytest
from test_sth import BIN, start, write  # noqa: F401 - fixtures

from sth_process import Sth

pytestmark = pytest.mark.slow

TEXT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (FATAL|ERROR|WARN |INFO |DEBUG|TRACE) [\w.]+: .+")


def entries(errors):
    return [json.loads(line) for line in errors.splitlines()]


def call(sth, method, target, **headers):
    """Status and id of a request with any target."""
    connection = http.client.HTTPConnection(urlsplit(sth.url).netloc, timeout=20)
    try:
        connection.request(method, target, headers={name.replace("_", "-"): each for name, each in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["X-Request-Id"]
    finally:
        connection.close()


def on_terminal(folder, *arguments):
    """What ``sth`` writes to a terminal until it ends, and the rest of it to stdout."""
    parent, child = pty.openpty()
    sth = Sth("-P", 0, "-D", folder, *arguments, stderr=child)
    os.close(child)
    written = b""
    try:
        said = [sth.line(), sth.line()]
        sth.process.terminate()
        while True:
            try:
                chunk = os.read(parent, 65536)
            except OSError:  # as Linux tells that nobody has the terminal any more
                break
            if not chunk:
                break
            written += chunk
    finally:
        os.close(parent)
        sth.kill()
    return said, written.decode().splitlines()


def test_a_pipe_gets_json_and_scripts_their_lines(start):  # noqa: F811
    code, errors = start("--debug").run().end()
    assert code == 0
    found = entries(errors)
    assert {"ts", "level", "from", "logger", "msg"} <= set(found[0])
    assert [each["level"] for each in found if "no effect here" in each["msg"]] == ["WARN"]
    assert any(each["msg"].startswith("API on http") for each in found)
    assert found[-1]["msg"] != ""


def test_a_terminal_gets_text(tmp_path):
    (api, running), lines = on_terminal(tmp_path)
    assert api.startswith("API on http://127.0.0.1:")
    assert running == "Running!\n"
    assert len(lines) >= 2
    assert all(TEXT.fullmatch(line) for line in lines), lines


def test_a_terminal_gets_json_if_asked(tmp_path):
    _, lines = on_terminal(tmp_path, "--log-format", "json")
    assert all(json.loads(line)["msg"] for line in lines)


def test_text_can_be_asked_for_in_a_pipe(start, write):  # noqa: F811
    _, errors = start("-c", write("hub.yaml", {"docker": {}, "logFormat": "text"})).run().end()
    lines = errors.splitlines()
    assert all(TEXT.fullmatch(line) for line in lines), lines
    assert "no effect here: docker" in lines[0]  # told before it was known how to write


def test_a_form_that_does_not_exist_is_refused(start, write):  # noqa: F811
    sth = start("-c", write("hub.yaml", {"docker": {}, "logFormat": "xml"}))
    _, errors = sth.process.communicate(timeout=100)
    assert sth.process.returncode == 2
    assert "xml" in errors
    assert "no effect here: docker" in errors


def test_each_request_has_a_line_with_its_id_at_debug(start):  # noqa: F811
    sth = start("-L", "debug").run()
    assert call(sth, "GET", "/api/v1/version?a=b", X_Request_Id="r-1") == (200, "r-1")
    status, made = call(sth, "DELETE", "//api/v1/sequence/some%0Aid")
    assert status == 404
    lines = {each.get("requestId"): each for each in entries(sth.end()[1]) if each["from"] == "access"}
    assert set(lines) == {"r-1", made}
    assert re.fullmatch(r"GET /api/v1/version 200, \d+ bytes in \d+ ms", lines["r-1"]["msg"])
    assert int(lines["r-1"]["msg"].split()[3]) > 0
    assert lines[made]["msg"].startswith("DELETE /api/v1/sequence/some%0Aid 404, ")


@pytest.mark.parametrize(("method", "target"), [("GET", "/"), ("GET", "/api/v1"), ("OPTIONS", "*"), ("GET", "//")])
def test_any_target_can_be_logged(start, method, target):  # noqa: F811
    sth = start("-L", "debug").run()
    status, made = call(sth, method, target)
    found = entries(sth.end()[1])
    assert status in (200, 404)
    assert [each["requestId"] for each in found if each["from"] == "access"] == [made]
    assert not [each for each in found if each["level"] == "ERROR"]


def test_a_client_that_goes_away_is_told_so(start):  # noqa: F811
    sth = start("-L", "debug").run()
    connection = sth.open("GET", "/log", X_Request_Id="r-1")
    answer = connection.getresponse()
    assert answer.readline()
    answer.close()
    connection.close()
    while "broke off" not in (log := read_log(sth)):
        assert sth.process.poll() is None
    assert "r-1" in {each["requestId"] for each in entries(log) if each["msg"].startswith("GET /api/v1/log broke off")}


def read_log(sth):
    """What the log of the Hub has up to a line that is only written now."""
    mark = secrets.token_hex()
    call(sth, "GET", f"/api/v1/{mark}")
    connection = sth.open("GET", "/log", X_Request_Id="r-2")
    lines = ""
    with connection.getresponse() as answer:
        while mark not in (line := answer.readline().decode()):
            lines += line
    connection.close()
    return lines


def test_no_secret_is_ever_logged(start):  # noqa: F811
    full, other = (secrets.token_hex() for _ in range(2))
    sth = start("-L", "trace", STH_TOKEN=f"ci:full:{full}").run()
    host = urlsplit(sth.url).netloc
    bearer = f"Bearer {full}"
    assert call(sth, "GET", f"/api/v1/version?token={full}", Authorization=bearer)[0] == 200
    assert call(sth, "GET", f"http://user:{full}@{host}/api/v1/version", Authorization=bearer)[0] == 200
    assert call(sth, "GET", "/api/v1/version", Authorization=f"Bearer {other}")[0] == 401
    assert call(sth, "GET", f"/api/v1/nothing?token={full}#{full}", Authorization=bearer)[0] == 404
    for broken in (f"GET / HTTP/1.1\r\nAuthorization: {bearer}\x00\r\n\r\n", f"GET /?{full} NOT\r\n\r\n"):
        with socket.create_connection((urlsplit(sth.url).hostname, urlsplit(sth.url).port), 20) as connection:
            connection.sendall(broken.encode())
            assert connection.recv(65536).startswith(b"HTTP/1.0 400")
    _, errors = sth.end()
    assert errors.count("token 'ci'") == 3
    assert full not in errors
    assert other not in errors
