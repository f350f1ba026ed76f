"""A real Transform Hub, from npm: installed into this folder, started as a process, ended with its runners."""

import contextlib
import dataclasses
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

import npm_packages

FOLDER = Path(__file__).parent
START_TIMEOUT = 45
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclasses.dataclass(frozen=True)
class RealHub:
    url: str
    pid: int


def install():
    """Have npm install the Hub; raises what ``npm_packages.install`` does."""
    npm_packages.install(FOLDER)


@contextlib.contextmanager
def real_hub():
    """Run a real Hub on free ports, with a folder of its own; it has to be installed.

    Yields:
        Its URL and its pid.
    """
    with tempfile.TemporaryDirectory(prefix="real-sth-") as folder, Path(folder, "log").open("w+") as log:
        Path(folder, "sequences").mkdir()
        api, runners = _free_ports(2)
        process = subprocess.Popen(
            ["node", FOLDER / "launcher.mjs", str(api), str(runners), folder],
            stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{api}/api/v1"
            _wait_until_it_answers(url, process, log)
            yield RealHub(url, process.pid)
        finally:
            _end(process)


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [sock.getsockname()[1] for sock in sockets]


def _wait_until_it_answers(url, process, log):
    begun = time.monotonic()
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            OPENER.open(f"{url}/version", timeout=START_TIMEOUT).close()
            return
        if process.poll() is not None or time.monotonic() - begun > START_TIMEOUT:
            log.seek(0)
            raise RuntimeError(f"The Hub does not start (exit code {process.returncode}):\n{log.read()[-4000:]}")
        time.sleep(0.05)


def _end(process):
    """End the Hub, then the runners, which it starts detached and leaves behind."""
    runners = []
    with contextlib.suppress(psutil.NoSuchProcess):
        runners = psutil.Process(process.pid).children(recursive=True)
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for runner in runners:
        with contextlib.suppress(psutil.NoSuchProcess):
            runner.kill()
    psutil.wait_procs(runners, timeout=10)
