"""What systemd is told, on a real socket."""

import asyncio
import os
import socket

import pytest

from transform_hub.hub.observability.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A socket as systemd's, and its name in the environment."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = str(tmp_path / "notify") if request.param == "path" else f"@transform-hub-test-{os.getpid()}"
        listening.bind(name.replace("@", "\0"))
        listening.settimeout(5)
        yield listening, {"NOTIFY_SOCKET": name}


def test_ready_and_stopping_are_told(manager):
    listening, environment = manager
    notifier = Notifier(environment)
    notifier.ready()
    notifier.stopping()
    assert [listening.recv(100).split(b"\n")[0] for _ in range(2)] == [b"READY=1", b"STOPPING=1"]


async def test_the_watchdog_is_fed_by_the_event_loop(manager):
    listening, environment = manager
    listening.setblocking(False)
    loop = asyncio.get_running_loop()
    with Notifier({**environment, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())}).alive():
        for _ in range(3):
            assert await loop.sock_recv(listening, 100) == b"WATCHDOG=1"
        await asyncio.sleep(0)
    while True:  # what was sent before the end
        try:
            listening.recv(100)
        except BlockingIOError:
            break
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(loop.sock_recv(listening, 100), 0.1)


async def test_a_manager_that_is_behind_with_reading_gets_every_state(manager):
    listening, environment = manager
    listening.setblocking(False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sender.sendto(b"WATCHDOG=1", listening.getsockname())
    Notifier(environment).ready()
    while not (await asyncio.get_running_loop().sock_recv(listening, 100)).startswith(b"READY=1"):
        pass


@pytest.mark.parametrize(
    "watchdog", [{}, {"WATCHDOG_USEC": "many"}, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid() + 1)}]
)
async def test_a_watchdog_that_does_not_wait_for_this_process_is_told_nothing(manager, watchdog):
    listening, environment = manager
    with Notifier({**environment, **watchdog}).alive():
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.recv(100)


@pytest.mark.parametrize("name", ["", "vsock:2:3", "/nowhere/at/all"])
def test_a_manager_that_is_not_there_is_no_problem(name):
    Notifier({"NOTIFY_SOCKET": name}).ready()
