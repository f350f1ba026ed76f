"""``sth`` as a process, to be killed and started again."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import pytest

STH = Path(sys.executable).parent / "sth"


class Sth:
    """``sth`` on one directory, killed and started again."""

    program = STH
    command = (STH,)

    def __init__(self, folder, session, api_of):
        self.folder, self.session, self.api_of = folder, session, api_of
        self.url, self.port = "", 0
        self.process = None

    async def start(self, *options, port=0):
        options = ["-D", self.folder, "-P", port, "--instance-lifetime-extension-delay", 60_000, *options]
        self.process = await asyncio.create_subprocess_exec(
            *map(str, (*self.command, *options)), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        line = (await self.process.stdout.readline()).decode()
        assert line.startswith("API on "), line
        self.url = line.removeprefix("API on ").strip() + "/api/v1"
        self.port = int(line.rpartition(":")[2])
        assert await self.process.stdout.readline() == b"Running!\n"
        return self.api_of(self, self.session)

    async def kill(self):
        self.process.kill()
        await self.process.wait()

    async def end(self):
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    def keepers(self):
        """The paths of the sockets of the zygotes that are there."""
        return [Path(file.read_text()) for file in (self.folder / ".hub" / "fdstore").iterdir()]


@pytest.fixture
async def sth(tmp_path, api_of):
    async with aiohttp.ClientSession() as session:
        hub = Sth(tmp_path / "sequences", session, api_of)
        yield hub
        if hub.process is not None and hub.process.returncode is not None:
            await hub.start("--reattach")  # which finds what is left, and ends it
        await hub.end()
