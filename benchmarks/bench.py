"""What the benchmarks share: a Hub in a process of its own, and plain calls to it."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from transform_hub.package import pack

TESTS = Path(__file__).parents[1] / "tests"
HUB = """
import asyncio, signal, sys
import uvloop
from transform_hub.hub.server import serve
async def main():
    async with serve(port=0, data_dir=sys.argv[1], reattach=sys.argv[2] == "reattach") as hub:
        print(hub.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
uvloop.run(main())
"""


@contextlib.contextmanager
def hub_process(pid: list[int] | None = None, *, reattach: bool = False) -> Iterator[int]:
    """A Hub on a free port; its port, and its pid in ``pid`` if asked for.

    Args:
        reattach: let its Instances outlive it, as those of ``sth`` do; what it costs is to be seen.
    """
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-c", HUB, folder, "reattach" if reattach else "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if pid is not None:
            pid.append(process.pid)
        try:
            yield int(process.stdout.readline())
        finally:
            process.communicate(timeout=20)


def call(port: int, method: str, path: str, body=None, content_type="application/json"):
    """One call; the decoded answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, body, {"Content-Type": content_type})
    response = connection.getresponse()
    data = response.read()
    connection.close()
    if response.status >= 300:
        raise SystemExit(f"{method} {path}: {response.status} {data!r}")
    return json.loads(data) if data else None


def post_json(port: int, path: str, value=None):
    return call(port, "POST", path, json.dumps(value or {}))


def send_directory(port: int, directory: Path) -> str:
    """Pack and send a Sequence; its id."""
    archive = io.BytesIO()
    pack(directory, archive)
    return call(port, "POST", "/api/v1/sequence", archive.getvalue(), "application/octet-stream")["id"]


def npm_si() -> Path | None:
    """The ``si`` of npm; None where there can be none."""
    sys.path.insert(0, str(TESTS))
    import npm_packages

    folder = TESTS / "node_si"
    try:
        npm_packages.install(folder)
    except npm_packages.UnavailableError as why:
        print(f"(without the si of npm: {why})")
        return None
    return folder / "node_modules" / ".bin" / "si"


def real_sth(stack: contextlib.ExitStack):
    """A real STH of npm that runs until the stack is closed; None where there can be none."""
    sys.path[:0] = [str(TESTS), str(TESTS / "real_sth")]
    from real_hub import install, real_hub

    from npm_packages import UnavailableError

    try:
        install()
        return stack.enter_context(real_hub())
    except UnavailableError as why:
        print(f"(without STH: {why})")
        return None


def rss(pid: int) -> int:
    """Bytes of memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
