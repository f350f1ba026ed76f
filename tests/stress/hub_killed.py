"""The Hub is killed under load and started again: what was answered is there, and nothing runs on without it."""

from __future__ import annotations

import asyncio
import contextlib

from stress.flow import ENDLESS, Flow
from stress.hub import PATIENCE, HubProcess, hub_process
from stress.processes import all_gone
from stress.sequences import ECHO, package
from stress.stage import Stage
from transform_hub.client import HostClient
from transform_hub.errors import HubConnectionError, HubError, StreamError

TITLE = "Hub killed (kill -9) under load, and started again"

FLOWS = 4

BALLAST = 200_000
"""Random bytes in a package, so that uploads are on their way when the Hub dies."""


async def run(stage: Stage) -> None:
    answered: set[str] = set()
    sent = arrived = 0
    async with hub_process(stage.folder, "--no-reattach") as hub:
        for _ in range(stage.scale.rounds):
            async with HostClient(hub.url, timeout=PATIENCE) as host:
                flows = await life(stage, hub, host, answered)
            for flow in flows:
                assert isinstance(flow.broken, (StreamError, HubConnectionError)), flow.broken
                arrived += flow.arrived.check_begin("w", flow.count)
                sent += flow.sent
            await hub.start()
            await check_restart(hub, answered)
            assert not list(hub.data.glob(".incoming/*")), "uploads that were interrupted are left"
    stage.tell(
        f"{stage.scale.rounds} times: Sequences answered, there after all", f"{len(answered)} of {len(answered)}", "all"
    )
    stage.tell("lines sent, arrived before the end", f"{sent}, {arrived}", "a gapless beginning, and an error")
    stage.tell("runners left behind", "0", "none")


async def life(stage: Stage, hub: HubProcess, host: HostClient, answered: set[str]) -> list[Flow]:
    """Load the Hub, kill it at some moment, and wait until everybody has noticed."""
    echo = await host.send_sequence(package(stage.folder, ECHO, ballast=stage.dice.randbytes(BALLAST)))
    answered.add(echo.id)
    uploading = asyncio.create_task(upload_all(stage, host, answered))
    flows = [Flow(await echo.start(), ENDLESS) for _ in range(stage.dice.choice((0, 1, FLOWS)))]
    if flows:
        await flows[0].reached(stage.dice.randrange(stage.scale.lines))
    await asyncio.sleep(stage.dice.random() * 0.3)
    family = await hub.kill()
    await all_gone(family, PATIENCE)
    for flow in flows:
        await flow.over()
    await asyncio.wait_for(uploading, 2 * PATIENCE)
    return flows


async def upload_all(stage: Stage, host: HostClient, answered: set[str]) -> None:
    """Send Sequences until there is no Hub; ids of those that were answered are remembered."""
    with contextlib.suppress(HubError):
        while True:
            ballast = stage.dice.randbytes(BALLAST)
            answered.add((await host.send_sequence(package(stage.folder, ECHO, ballast=ballast))).id)


async def check_restart(hub: HubProcess, answered: set[str]) -> None:
    """All that was answered is there and runs; what was not is there whole or not at all."""
    async with hub.client() as host:
        there = {info.id for info in await host.list_sequences()}
        assert answered <= there, f"lost: {answered - there}"
        assert await host.list_instances() == []
        for sequence_id in sorted(there - answered) + sorted(answered)[-1:]:
            done = await host.run(host.sequence(sequence_id), input=b"still here\n", timeout=PATIENCE)
            assert done.output == b"still here\n", done
        answered |= there
