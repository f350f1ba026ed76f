"""Readers that are slow, and readers that stop: the Hub's memory stays, and nobody misses anything."""

from __future__ import annotations

import asyncio

from stress.hub import PATIENCE, hub_process
from stress.many_streams import OpenStream
from stress.numbered import WIDTH, Arrived, batches
from stress.processes import pss
from stress.sequences import ECHO, package
from stress.stage import Stage
from transform_hub.client import InstanceClient

TITLE = "slow and stalled readers"

BATCH = 500


async def run(stage: Stage) -> None:
    count = stage.scale.lines * 5
    async with hub_process(stage.folder) as hub, hub.client() as host:
        sequence = await host.send_sequence(package(stage.folder, ECHO))
        before, highest = pss(hub.process.pid), 0
        for number in range(stage.scale.rounds):
            instance = await sequence.start()
            stalled = await OpenStream.to(hub, f"{instance.path}/output")
            reading = [asyncio.create_task(read(instance, pause)) for pause in (0, 0.002)]
            writing = asyncio.create_task(write(instance, count))
            await held_up(instance, writing)
            highest = max(highest, pss(hub.process.pid) - before)
            stalled.close()  # what it held up goes on
            await asyncio.wait_for(writing, 6 * PATIENCE)
            for data in await asyncio.gather(*reading):
                Arrived.of(data).check_whole("w", count)
            assert (await instance.wait(30)).exitcode == 0, number
    megabytes = count * WIDTH / 1e6
    stage.tell(
        f"{stage.scale.rounds} times {megabytes:.0f} MB, a reader fast, one slow, one stalled: lines to the first two",
        str(2 * count * stage.scale.rounds),
        "each once",
    )
    stage.tell("memory of the Hub above where it was, at most", f"{highest / 1e6:.1f} MB", "50 MB")
    assert highest < 50e6, highest


async def read(instance: InstanceClient, pause: float) -> bytes:
    """Read all, resting after each chunk."""
    chunks = []
    async with instance.get_output() as output:
        async for chunk in output:
            chunks.append(chunk)
            await asyncio.sleep(pause)
    return b"".join(chunks)


async def write(instance: InstanceClient, count: int) -> None:
    async with instance.open_input("application/octet-stream") as writer:
        for chunk in batches("w", count, BATCH):
            await writer.write(chunk)


async def held_up(instance: InstanceClient, writing: asyncio.Task[None]) -> None:
    """Wait until nothing moves any more, because one reader has stopped (or all was small enough to be taken)."""
    seen, quiet = -1, 0
    while quiet < 5 and not writing.done():
        written = (await instance.get_health()).traffic.output
        quiet = quiet + 1 if written == seen else 0
        seen = written
        await asyncio.sleep(0.05)
