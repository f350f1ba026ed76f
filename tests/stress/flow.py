"""Numbered lines on their way through one Instance, until they are all there or something happens."""

from __future__ import annotations

import asyncio

from stress.hub import PATIENCE
from stress.numbered import WIDTH, Arrived, batches
from transform_hub.client import InstanceClient
from transform_hub.errors import HubError

BATCH = 50
"""Lines in a chunk."""

ENDLESS = 10**9
"""Lines of a flow that something else ends."""


class Flow:
    """One writer and one reader of an Instance that gives back what it gets.

    Attributes:
        sent: lines that the client has handed over.
        refused, broken: why writing and reading ended before their time.
    """

    def __init__(self, instance: InstanceClient, count: int) -> None:
        self.instance = instance
        self.count = count
        self.sent = 0
        self.refused: HubError | None = None
        self.broken: HubError | None = None
        self._chunks: list[bytes] = []
        self._size = 0
        self._grew = asyncio.Event()
        self._both = asyncio.gather(self._write(), self._read())

    async def over(self) -> None:
        """Wait until neither side has anything to do; nothing may hang."""
        await asyncio.wait_for(self._both, 6 * PATIENCE)

    async def reached(self, lines: int) -> None:
        """Wait until so many lines have come back, or no more will."""
        while self._size < lines * WIDTH and not self._both.done():
            self._grew.clear()
            await self._grew.wait()

    @property
    def arrived(self) -> Arrived:
        return Arrived.of(b"".join(self._chunks))

    def check_whole(self) -> None:
        """All of it came, and nobody was told otherwise."""
        assert (self.refused, self.broken) == (None, None)
        self.arrived.check_whole("w", self.count)

    async def _write(self) -> None:
        try:
            async with self.instance.open_input("application/octet-stream") as writer:
                for chunk in batches("w", self.count, BATCH):
                    await writer.write(chunk)
                    self.sent += chunk.count(b":") // 2
        except HubError as error:
            self.refused = error

    async def _read(self) -> None:
        try:
            async with self.instance.get_output() as output:
                async for chunk in output:
                    self._chunks.append(chunk)
                    self._size += len(chunk)
                    self._grew.set()
        except HubError as error:
            self.broken = error
        finally:
            self._grew.set()
