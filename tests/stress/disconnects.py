"""Clients go away mid-stream, in both directions: the Instance is not disturbed, and the next ones take over."""

from __future__ import annotations

import asyncio

from stress.hub import hub_process
from stress.numbered import Arrived, batches
from stress.sequences import ECHO, package
from stress.stage import Stage
from transform_hub.client import InstanceClient

TITLE = "clients that go away mid-stream"

BATCH = 20


async def run(stage: Stage) -> None:
    async with hub_process(stage.folder) as hub, hub.client() as host:
        sequence = await host.send_sequence(package(stage.folder, ECHO))
        await writers(stage, await sequence.start())
        await readers(stage, await sequence.start())


async def writers(stage: Stage, instance: InstanceClient) -> None:
    """Every second writer breaks off; what it had sent so far comes without a gap, all of the others' does."""
    count, rounds = stage.scale.lines // 10, 2 * stage.scale.rounds
    reading = asyncio.create_task(instance.get_output().read())
    sent = {}
    for number in range(rounds):
        leaves_after = stage.dice.randrange(count) if number % 2 else count
        writer = await instance.open_input("application/octet-stream", end=False)
        for chunk in batches(f"w{number}", leaves_after, BATCH):
            await writer.write(chunk)
        sent[f"w{number}"] = leaves_after
        if number % 2:
            writer.abort()
        else:
            await writer.close()
    await instance.send_input(b"")
    arrived = Arrived.of(await reading)
    arrived.check_order()
    for number in range(0, rounds, 2):
        arrived.check_whole(f"w{number}", count)
    came = sum(arrived.check_begin(f"w{number}", sent[f"w{number}"]) for number in range(1, rounds, 2))
    broken_off = sum(sent[f"w{number}"] for number in range(1, rounds, 2))
    stage.tell(f"lines of {rounds // 2} whole uploads among broken-off ones", f"{rounds // 2 * count}", "each once")
    stage.tell(
        f"lines of {rounds // 2} broken-off uploads: sent, arrived", f"{broken_off}, {came}", "a gapless beginning"
    )
    assert (await instance.wait(30)).exitcode == 0


async def readers(stage: Stage, instance: InstanceClient) -> None:
    """Readers come and go while one stays: it misses nothing; and none of the others gets anything twice."""
    count = stage.scale.lines
    staying = asyncio.create_task(instance.get_output().read())
    chunks = batches("w", count, BATCH)
    breaks = 0
    async with instance.open_input("application/octet-stream") as writer:
        for chunk in chunks:
            await writer.write(chunk)
            if stage.dice.random() < stage.scale.rounds * BATCH / count:
                async with instance.get_output() as output:
                    await writer.write(next(chunks, b""))
                    async for _ in output:
                        break  # and leave with the stream open
                breaks += 1
    Arrived.of(await staying).check_whole("w", count)
    stage.tell(f"lines to a reader that stays while {breaks} others break off", str(count), "each once")
    assert (await instance.wait(30)).exitcode == 0
