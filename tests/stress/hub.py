"""A Hub as people run it: the command ``sth``, in a process of its own that can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from sth_process import Sth
from stress.processes import all_gone, descriptors, within
from transform_hub.client import HostClient
from transform_hub.errors import NotFoundError

PATIENCE = 20.0
"""Seconds that a Hub may take to begin or to end, on a machine that is busy with the stress itself."""


class HubProcess:
    """One ``sth`` on its own port and data directory.

    Args:
        folder: its Sequences, its stderr and its temporary files go there.
        options: more of ``sth``'s.
        environment: variables besides those of this process.
        prefix: words of a command that runs it, e.g. in another namespace.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        environment: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        self.data = folder / "sequences"
        self._log = folder / "sth.stderr"
        self._options = options
        self._environment = {**os.environ, "TMPDIR": str(folder), **(environment or {})}
        self._prefix = prefix
        self._port = 0

    async def start(self) -> None:
        """Begin, or begin again on the same port with the same data."""
        words = ("-P", self._port, "-D", self.data, *self._options)
        with self._log.open("ab") as log:
            self._sth = Sth(*words, prefix=self._prefix, stderr=log, env=self._environment)
        try:
            await asyncio.to_thread(self._sth.run)
        except AssertionError as error:
            raise AssertionError(f"The Hub did not start:\n{self.stderr}") from error
        self._port = self._sth.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api/v1"

    @property
    def port(self) -> int:
        return self._port

    @property
    def stderr(self) -> str:
        """What it wrote to its standard error."""
        return self._log.read_text(errors="replace")

    @property
    def process(self) -> psutil.Process:
        """Its process, the first one below a prefix."""
        return psutil.Process(self._sth.process.pid)

    @property
    def descriptors(self) -> int:
        """How many it has open."""
        return descriptors(self.process.pid)

    def family(self) -> list[psutil.Process]:
        """Itself, the zygote and the runners."""
        return [self.process, *self.process.children(recursive=True)]

    def runners(self) -> list[psutil.Process]:
        """What the zygote has forked for Instances; the spare one has no name of its own yet."""
        return [
            runner
            for zygote in self.process.children()
            for runner in zygote.children()
            if runner.name() != zygote.name()
        ]

    async def back_at(self, descriptors: int) -> None:
        """Wait until it has only so many descriptors; those of connections go when it sees that these are closed."""
        await within(PATIENCE, lambda: self.descriptors <= descriptors, f"{descriptors} descriptors")

    def client(self) -> HostClient:
        return HostClient(self.url)

    async def kill(self) -> list[psutil.Process]:
        """``kill -9``; what was running below it then."""
        family = self.family()
        await asyncio.to_thread(self._sth.kill)
        return family

    async def stop(self) -> None:
        """SIGTERM; it ends in order, and nothing of it is left."""
        family = self.family()
        self._sth.process.terminate()
        code = await asyncio.to_thread(self._sth.process.wait, PATIENCE)
        self._sth.kill()
        assert code == 0, f"The Hub ended with {code}:\n{self.stderr}"
        await all_gone(family, PATIENCE)

    async def close(self) -> None:
        """Whatever the scenario came to, leave nothing behind."""
        await asyncio.to_thread(self._sth.kill)


async def emptied(host: HostClient) -> None:
    """Have a Hub forget its Instances, which have ended or are about to."""

    async def is_empty() -> bool:
        left = await host.list_instances()
        for info in left:
            with contextlib.suppress(NotFoundError):
                await host.instance(info.id).kill(remove_immediately=True)
        return not left

    await within(6 * PATIENCE, is_empty, "no Instances")


@contextlib.asynccontextmanager
async def hub_process(folder: Path, *options: str, **settings: object) -> AsyncIterator[HubProcess]:
    """A running Hub, which has to end in order."""
    hub = HubProcess(folder, "--instance-lifetime-extension-delay", "60000", *options, **settings)
    try:
        await hub.start()
        yield hub
        await hub.stop()
    finally:
        await hub.close()
