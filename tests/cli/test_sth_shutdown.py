"""How ``sth`` ends: in the order and time that docs/operations.md states, whatever holds it up."""

import json
import re
import signal
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from test_sth import sequence, start, write  # noqa: F401 - fixtures

from until import until_sync

DOCS = Path(__file__).parents[2] / "docs"
ID = "0f2c8a1e-3a51-4a0e-9d6c-0b9f6d1f7a11"

pytestmark = pytest.mark.slow

HANDLER = """
import asyncio
async def run(context, input):
    end = asyncio.Event()
    async def stop(timeout, can_keep_alive):
        yield_last.append(f"{timeout} {can_keep_alive}")
        end.set()
    yield_last = []
    context.set_stop_handler(stop)
    yield "first\\n"
    await end.wait()
    yield f"last {yield_last[0]}\\n"
"""
SLOW = """
import asyncio
def run(context, input):
    async def stop(timeout, can_keep_alive):
        context.emit("stopping")
        await asyncio.sleep(1000)
    context.set_stop_handler(stop)
    return input
"""
DEAF = """
import signal, time
def run(context, input):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    time.sleep(1000)
"""
FLOOD = """
async def run(context, input):
    while True: yield "x" * 50_000_000  # more than is on the way between any two
"""


@pytest.fixture
def running(start, write, sequence):  # noqa: F811 - fixtures
    """A running ``sth`` with one Instance of some source."""

    def make(source, *arguments, **env):
        sequence("one", source)
        startup = write("startup.yaml", {"sequences": [{"path": "one", "instanceId": ID}]})
        return start("-S", startup, *arguments, **env).run()

    return make


def post(url, body=b"{}"):
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers


def pid_of(sth):
    return sth.get(f"/instance/{ID}/health")["processId"]


def test_a_sequence_ends_by_itself_and_its_reader_gets_all(running):
    sth = running(HANDLER)
    output = urllib.request.urlopen(f"{sth.url}/instance/{ID}/output", timeout=20)
    assert output.readline() == b"first\n"
    sth.process.send_signal(signal.SIGTERM)
    assert output.read() == b"last 5.0 False\n"
    output.close()
    assert sth.process.wait(timeout=100) == 0


def test_while_instances_stop_nothing_new_begins_and_all_else_goes_on(running):
    sth = running(SLOW, "--shutdown-timeout", "3000")
    pid = pid_of(sth)
    (there,) = sth.get("/sequences")
    once = sth.open("GET", f"/instance/{ID}/event/stopping")
    sth.process.send_signal(signal.SIGTERM)
    assert once.getresponse().read() is not None
    once.close()
    for path in (f"/sequence/{there['id']}/start", "/sequence"):
        status, headers = post(sth.url + path)
        assert status == 503
        assert int(headers["Retry-After"]) > 0
    base = sth.url.removesuffix("/api/v1")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{base}/readyz", timeout=20)
    with refused.value as error:
        assert (error.code, json.load(error)["error"]) == (503, "The Hub is ending")
    with urllib.request.urlopen(f"{base}/livez", timeout=20) as alive:
        assert alive.read() == b"ok"
    assert sth.get(f"/instance/{ID}")["status"] == "stopping"
    assert sth.process.wait(timeout=100) == 0
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("timeout", ["0", "200"])
@pytest.mark.parametrize("source", [SLOW, DEAF], ids=["slow", "deaf"])
def test_what_does_not_stop_in_time_is_killed(running, source, timeout):
    sth = running(source, "--shutdown-timeout", timeout)
    (instance,) = sth.get("/instances")
    pids = {child.pid for child in psutil.Process(sth.process.pid).children(recursive=True)}
    assert instance["id"] == ID
    code, errors = sth.end()
    assert code == 0
    assert "Traceback" not in errors
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids)


def test_a_reader_that_has_stalled_does_not_hold_it_up(running):
    sth = running(FLOOD)
    host, port = sth.url.removeprefix("http://").partition("/")[0].split(":")
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # before it connects: so little is offered
        reader.connect((host, int(port)))
        reader.sendall(f"GET /api/v1/instance/{ID}/output HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        while b"xxx" not in (some := reader.recv(100)):
            assert some
        code, errors = sth.end()
    assert code == 0
    assert "Cutting off readers that have not reached the end of their stream" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("reattach", ["--reattach", "--no-reattach"])
@pytest.mark.parametrize("source", [SLOW, DEAF], ids=["slow", "deaf"])
def test_a_second_signal_ends_it_and_its_runners_at_once(running, number, reattach, source):
    sth = running(source, "--shutdown-timeout", "600000", reattach)
    runner = psutil.Process(pid_of(sth))
    sth.process.send_signal(signal.SIGTERM)
    until_sync(lambda: sth.get(f"/instance/{ID}")["status"] == "stopping")
    sth.process.send_signal(number)
    assert sth.process.wait(timeout=100) == -number
    assert psutil.wait_procs([runner], timeout=100)[1] == []


def test_who_reads_what_a_killed_hub_has_said_does_not_wait_for_its_instances(running):
    sth = running(SLOW)
    runner = psutil.Process(pid_of(sth))
    sth.end(signal.SIGKILL)  # returns when stdout and stderr are at their end
    assert runner.is_running()  # it waits for the next Hub
    runner.kill()


def test_systemd_is_told_in_order(running, tmp_path):
    told = []

    def listen():  # from the beginning, as systemd does: a socket takes ten messages that nobody reads, and no more
        while (line := manager.recv(100)) != b"over":
            told.append(line.partition(b"\n")[0])

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        listening = threading.Thread(target=listen)
        listening.start()
        try:
            sth = running(HANDLER, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="100000")
            until_sync(lambda: told[-2:] == [b"WATCHDOG=1"] * 2)
            sth.process.send_signal(signal.SIGTERM)
            assert sth.process.wait(timeout=60) == 0
        finally:
            manager.sendto(b"over", manager.getsockname())
            listening.join()
    assert set(told) == {b"READY=1", b"STOPPING=1", b"WATCHDOG=1"}
    assert told.index(b"READY=1") < told.index(b"STOPPING=1")


def test_the_example_unit_waits_for_as_long_as_it_takes():
    page = (DOCS / "operations.md").read_text()
    seconds = int(re.search(r"^TimeoutStopSec=(\d+)$", page, re.MULTILINE)[1])
    from transform_hub.hub.config import DaemonConfig
    from transform_hub.hub.instances.run import KILL_GRACE
    from transform_hub.hub.listener import SHUTDOWN_GRACE
    from transform_hub.hub.shutdown import DRAIN

    assert seconds > DaemonConfig().shutdown_timeout_ms / 1000 + KILL_GRACE + DRAIN + SHUTDOWN_GRACE + 3
