"""``sth`` as a process."""

import asyncio
import http.client
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import aiohttp
import pytest

STH = Path(sys.executable).with_name("sth")


class Sth:
    """One process; its arguments are those of ``sth``, its options those of Popen.

    Attributes:
        url: of its API, once it runs.
        port: the same.
        rest: what was left in its stdout when it ended.
    """

    def __init__(self, *arguments, prefix=(), command=(STH,), **options):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([*prefix, *map(str, (*command, *arguments))], text=True, **{**pipes, **options})
        self.url, self.port, self.rest = "", 0, ""

    def line(self):
        return self.process.stdout.readline()

    def run(self):
        """Wait until it runs."""
        api = self.line()
        assert api.startswith("API on "), self.process.communicate()
        self.url = api.removeprefix("API on ").strip() + "/api/v1"
        self.port = int(api.rpartition(":")[2])
        assert self.line() == "Running!\n"
        return self

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return json.load(answer)

    def open(self, method, path, **headers):
        """A request that is not over; the connection stays open as long as it is held."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, "/api/v1" + path)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        return connection

    def end(self, number=signal.SIGTERM):
        """Exit code and stderr after a signal."""
        self.process.send_signal(number)
        self.rest, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors

    def kill(self):
        """``kill -9``, if it still runs; what it has started may have its pipes for longer."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Restarted:
    """``sth`` on one directory, killed and started again while the event loop goes on."""

    program = STH
    command = (STH,)

    def __init__(self, folder, session, api_of):
        self.folder, self.session, self.api_of = folder, session, api_of
        self._sth = None

    async def start(self, *options, port=0):
        own = ("-D", self.folder, "-P", port, "--instance-lifetime-extension-delay", 60_000)
        self._sth = Sth(*own, *options, command=self.command, stderr=subprocess.DEVNULL)
        await asyncio.to_thread(self._sth.run)
        return self.api_of(self, self.session)

    @property
    def process(self):
        return self._sth.process

    @property
    def url(self):
        return self._sth.url

    @property
    def port(self):
        return self._sth.port

    async def kill(self):
        await asyncio.to_thread(self._sth.kill)

    async def end(self):
        """SIGTERM; nothing if it has ended."""
        if self._sth is not None:
            self.process.terminate()
            await asyncio.to_thread(self.process.wait)
            self._sth.kill()

    def fdstores(self):
        """The paths of the sockets of the zygotes that are there."""
        return [Path(file.read_text()) for file in (self.folder / ".hub" / "fdstore").iterdir()]


@pytest.fixture
async def sth(tmp_path, api_of):
    async with aiohttp.ClientSession() as session:
        hub = Restarted(tmp_path / "sequences", session, api_of)
        yield hub
        if hub._sth is not None and hub.process.poll() is not None:
            await hub.start("--reattach")  # which finds what is left, and ends it
        await hub.end()
