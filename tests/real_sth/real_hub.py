"""A real Transform Hub, from npm: installed into this folder, started as a process, ended with its runners."""

import contextlib
import dataclasses
import hashlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil

FOLDER = Path(__file__).parent
LOCK = FOLDER / "package-lock.json"
INSTALLED = FOLDER / "node_modules" / ".installed"
INSTALL_TIMEOUT = 240
START_TIMEOUT = 45
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "network")


class UnavailableError(Exception):
    """This machine can't have a real Hub; the text says why."""


@dataclasses.dataclass(frozen=True)
class RealHub:
    url: str
    pid: int


def install():
    """Have npm install exactly what the lock names, unless that was done before.

    Raises:
        UnavailableError: there is no node, no npm, or no registry.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is not installed")
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if INSTALLED.exists() and INSTALLED.read_text() == digest:
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-progress", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    try:
        npm = subprocess.run(command, cwd=FOLDER, timeout=INSTALL_TIMEOUT, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"npm did not finish within {INSTALL_TIMEOUT} s") from None
    if npm.returncode:
        if any(sign in npm.stderr for sign in UNREACHABLE):
            raise UnavailableError("npm does not reach its registry")
        raise RuntimeError(f"npm ci failed:\n{npm.stderr}")
    INSTALLED.write_text(digest)


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
