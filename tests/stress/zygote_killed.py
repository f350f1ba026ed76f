"""The zygote is killed under load: Instances go on, and there is a new one for the next start."""

from __future__ import annotations

import asyncio
import contextlib

from stress.flow import Flow
from stress.hub import HubProcess, hub_process
from stress.sequences import ECHO, NOTHING, package
from stress.stage import Stage
from transform_hub.client import HostClient, SequenceClient
from transform_hub.errors import HubResponseError

TITLE = "zygote killed (kill -9) under load"

FLOWS = 4


async def run(stage: Stage) -> None:
    good, refused, lines = 0, 0, 0
    async with hub_process(stage.folder) as hub, hub.client() as host:
        echo = await host.send_sequence(package(stage.folder, ECHO, name="echo"))
        nothing = await host.send_sequence(package(stage.folder, NOTHING, name="nothing"))
        for _ in range(stage.scale.rounds):
            flows = [Flow(await echo.start(), stage.scale.lines) for _ in range(FLOWS)]
            starting = asyncio.create_task(start_many(nothing))
            await flows[0].reached(stage.dice.randrange(stage.scale.lines * 9 // 10))
            kill_zygote(hub)
            counted = await starting
            good, refused = good + counted[0], refused + counted[1]
            for flow in flows:
                await flow.over()
                flow.check_whole()
                lines += flow.count
            await forget_all(host)
        assert good > 0
        await nothing.start()  # whatever happened before
    stage.tell(f"{stage.scale.rounds} times: lines of running Instances", str(lines), "each once")
    stage.tell("starts meanwhile: done, refused with an error", f"{good}, {refused}", "none without an answer")


def kill_zygote(hub: HubProcess) -> None:
    """What it has forked lives on."""
    for zygote in hub.process.children():
        zygote.kill()


async def start_many(sequence: SequenceClient) -> tuple[int, int]:
    """Start Instances one after the other; how many did start, and how many were refused."""
    good, reasons = 0, []
    for _ in range(20):
        try:
            await sequence.start()
            good += 1
        except HubResponseError as error:
            reasons.append(error.message)
    assert all(reasons)
    return good, len(reasons)


async def forget_all(host: HostClient) -> None:
    """Remove what has ended, so that the next round begins alike."""
    for info in await host.list_instances():
        with contextlib.suppress(HubResponseError):
            await host.instance(info.id).kill(remove_immediately=True)
