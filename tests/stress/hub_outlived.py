"""The Hub is killed under load while its Instances outlive it (``--reattach``): they go on with the next one.

Every upload has a name of its own. One that was answered is with the Instance, whatever happens to the Hub. On the
way back, what a dying Hub holds in its memory is lost with it: the reader's stream breaks off there.
"""

from __future__ import annotations

import asyncio

from stress.hub import PATIENCE, HubProcess, hub_process
from stress.numbered import Arrived, batches
from stress.sequences import package
from stress.stage import Stage
from transform_hub.client import HostClient, InstanceClient
from transform_hub.errors import HubError

TITLE = "Hub killed (kill -9) under load, Instances outlive it"

LINES = 20
"""Of an upload."""

COUNTING = """
    async def run(context, input):
        with open(context.config["journal"], "wb", buffering=0) as journal:
            async for chunk in input:
                journal.write(chunk)
                yield chunk
"""
"""Gives back what it gets, and keeps a copy in a file."""


async def run(stage: Stage) -> None:
    answered = came = read = 0
    async with hub_process(stage.folder, "--reattach") as hub:
        async with hub.client() as host:
            sequence_id = (await host.send_sequence(package(stage.folder, COUNTING))).id
        for number in range(stage.scale.rounds):
            counted = await Survivor(stage, hub, sequence_id, number).live()
            answered, came, read = answered + counted[0], came + counted[1], read + counted[2]
    promise = "all, each once, in order"
    stage.tell(f"{stage.scale.rounds} times: input lines answered, with the Instance", f"{answered}, {came}", promise)
    stage.tell("output lines read before and after", str(read), "none twice; those in the dead Hub's memory are lost")


class Survivor:
    """An Instance during the end of one Hub and the begin of the next."""

    def __init__(self, stage: Stage, hub: HubProcess, sequence_id: str, number: int) -> None:
        self.stage, self.hub, self.sequence_id = stage, hub, sequence_id
        self.journal = stage.folder / f"journal-{number}"
        self._answered: list[str] = []
        self._begun = 0
        self._read: list[bytes] = []

    async def live(self) -> tuple[int, int, int]:
        """Lines that were answered, those of them that reached the Instance, and those that were read."""
        async with HostClient(self.hub.url, timeout=PATIENCE) as host:
            sequence = host.sequence(self.sequence_id)
            instance = await sequence.start(app_config={"journal": str(self.journal)})
            sending, reading = asyncio.create_task(self._send(instance)), asyncio.create_task(self._read_all(instance))
            await asyncio.sleep(self.stage.dice.random() * 0.3)
            await self.hub.kill()
            await asyncio.wait_for(sending, 3 * PATIENCE)
            assert await asyncio.wait_for(reading, 3 * PATIENCE) is not None, "the reader was not told"
        await self.hub.start()
        async with self.hub.client() as host:
            instance = host.instance(instance.id)
            await instance.send_input(b"".join(batches("last", LINES, LINES)), content_type="text/plain")
            assert await self._read_all(instance) is None
            assert (await instance.wait(PATIENCE)).exitcode == 0
        return self._judge()

    async def _send(self, instance: InstanceClient) -> None:
        """Upload one after the other until there is no Hub."""
        try:
            while True:
                name = f"u{self._begun}"
                self._begun += 1
                data = b"".join(batches(name, LINES, LINES))
                await instance.send_input(data, content_type="application/octet-stream", end=False)
                self._answered.append(name)
        except HubError:
            return

    async def _read_all(self, instance: InstanceClient) -> HubError | None:
        """Read to the end, or to the error that breaks it off."""
        try:
            async with instance.get_output() as output:
                async for chunk in output:
                    self._read.append(chunk)
        except HubError as error:
            return error
        return None

    def _judge(self) -> tuple[int, int, int]:
        """Compare what was sent with what the Instance got, and with what was read."""
        got, read = Arrived.of(self.journal.read_bytes()), Arrived.of(b"".join(self._read))
        for name in (*self._answered, "last"):
            got.check_whole(name, LINES)
        for number in range(self._begun):
            got.check_begin(f"u{number}", LINES)
        read.check_order()
        read.check_whole("last", LINES)
        count = LINES * (len(self._answered) + 1)
        return count, count, sum(map(len, read.numbers.values()))
