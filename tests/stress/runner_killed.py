"""Runners are killed while data goes through them: what came is what was sent, and the loss is told."""

from __future__ import annotations

import asyncio

import psutil

from stress.flow import ENDLESS, Flow
from stress.hub import hub_process
from stress.sequences import ECHO, package
from stress.stage import Stage
from transform_hub.client import InstanceClient

TITLE = "runner killed (kill -9) mid-stream"

AT_ONCE = 4


async def run(stage: Stage) -> None:
    turns = asyncio.Semaphore(AT_ONCE)
    async with hub_process(stage.folder) as hub, hub.client() as host:
        sequence = await host.send_sequence(package(stage.folder, ECHO))

        async def one(moment: int) -> tuple[int, int]:
            async with turns:
                return await killed_after(await sequence.start(), moment)

        moments = [stage.dice.randrange(stage.scale.lines * 9 // 10) for _ in range(stage.scale.rounds)]
        results = await asyncio.gather(*map(one, moments))
    sent, arrived = (sum(column) for column in zip(*results, strict=True))
    stage.tell(f"{len(results)} times: lines sent, arrived", f"{sent}, {arrived}", "a gapless beginning, no line twice")
    stage.tell("losses that nobody was told of", "0", "none: client's error or exit code 137")


async def killed_after(instance: InstanceClient, lines: int) -> tuple[int, int]:
    """Kill the runner once so many lines have come; how many were sent and how many came in all."""
    pid = (await instance.get_health()).process_id
    flow = Flow(instance, ENDLESS)
    await flow.reached(lines)
    psutil.Process(pid).kill()
    ended = await instance.wait(timeout=30)
    await flow.over()
    assert flow.refused is not None, "the writer was not told"
    info = await instance.get_info()
    assert (info.status, ended.exitcode, ended.reason) == ("errored", 137, "Runner killed by SIGKILL"), info
    return flow.sent, flow.arrived.check_begin("w", flow.count)
