"""Hubs on this machine that were started with ``si hub start``.

run       in the foreground: this process becomes ``sth``
detach    in the background, in a session of its own; what is known of it stands in a file as long as it runs:
          <state>/<port>.json   {"pid", "started", "port", "url", "log"}
          <state>/<port>.log    its log
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import platformdirs
import psutil

from transform_hub.cli.exits import NOT_FOUND, USAGE, CommandError
from transform_hub.cli.settings import settings
from transform_hub.hub.runtimes import interpreter
from transform_hub.profile import Profile

STH = interpreter.command("transform_hub.cli.sth")

START_TIMEOUT = 30.0
"""Seconds that a Hub has until it answers."""

STOP_TIMEOUT = 15.0
"""Seconds that it has to end its Instances and itself."""


def default_port() -> int:
    """The port that the profile expects a Hub at, if it is one of this machine."""
    url = urlsplit(Profile.load(settings.profile, path=settings.profile_path).api_url)
    return url.port or 8000 if url.hostname in ("127.0.0.1", "localhost", "::1") else 8000


def run(port: int, arguments: list[str]) -> NoReturn:
    """Become a Hub."""
    os.execv(sys.executable, [*STH, "--port", str(port), *arguments])  # noqa: S606 - our own program


def detach(port: int, arguments: list[str]) -> dict[str, Any]:
    """Start a Hub that goes on when this process has ended.

    Returns:
        What is known of it.

    Raises:
        CommandError: it did not start; the message is its own.
    """
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # logs name Sequences and Instances
    log = folder / f"starting-{os.getpid()}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*STH, "--port", str(port), *arguments],
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True, cwd="/",
        )  # fmt: skip
    try:
        url = _url_of(process, log)
    except BaseException:
        process.kill()
        process.wait()
        log.unlink()
        raise
    taken = urlsplit(url).port
    known = {
        "pid": process.pid,
        "started": psutil.Process(process.pid).create_time(),
        "port": taken,
        "url": f"{url}/api/v1",
        "log": str(log.replace(folder / f"{taken}.log")),
    }
    (folder / f"{taken}.json").write_text(json.dumps(known))
    return known


def find(port: int | None) -> dict[str, Any]:
    """The Hub in the background.

    Args:
        port: its port; None is the only one that runs.

    Raises:
        CommandError: there is none, or there are several.
    """
    running = [known for known in _all() if port in (None, known["port"])]
    if not running:
        where = "" if port is None else f" on port {port}"
        raise CommandError(f"no Hub runs in the background{where}: `si hub start --detach` starts one", code=NOT_FOUND)
    if len(running) > 1:
        ports = ", ".join(str(known["port"]) for known in running)
        raise CommandError(f"several Hubs run in the background: name one with --port ({ports})", code=USAGE)
    return running[0]


def stop(port: int | None) -> dict[str, Any]:
    """Stop the Hub in the background; raises what :func:`find` does.

    Returns:
        What was known of it.
    """
    known = find(port)
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(known["pid"])
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait()
    (_folder() / f"{known['port']}.json").unlink(missing_ok=True)
    return known


def _all() -> list[dict[str, Any]]:
    """Those that run; what is left of others is cleared away."""
    found = []
    for file in sorted(_folder().glob("*.json")):
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError, FileNotFoundError):
            known = json.loads(file.read_text())
            if _runs(known):
                found.append(known)
                continue
        file.unlink(missing_ok=True)
    return found


def _runs(known: dict[str, Any]) -> bool:
    try:
        process = psutil.Process(known["pid"])
        # Numbers of processes come again.
        return bool(process.create_time() == known["started"] and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _url_of(process: subprocess.Popen[bytes], log: Path) -> str:
    begun = time.monotonic()
    while time.monotonic() - begun < START_TIMEOUT:
        said = log.read_text(errors="replace")
        if "\nRunning!\n" in said and (found := re.search(r"^API on (\S+)$", said, re.MULTILINE)):
            return found[1]
        if process.poll() is not None:
            errors = [line.removeprefix("sth: ") for line in said.splitlines() if line.startswith("sth: ")]
            raise CommandError(f"the Hub did not start: {errors[-1] if errors else said.strip() or process.returncode}")
        time.sleep(0.02)
    raise CommandError(f"the Hub did not answer within {START_TIMEOUT:g} s; it said:\n{log.read_text()[-2000:]}")


def _folder() -> Path:
    return platformdirs.user_state_path("scramjet-transform-hub") / "hubs"
