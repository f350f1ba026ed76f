"""Many starts and ends in a row: memory, descriptors and processes of the Hub do not grow with them."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import psutil

from stress.hub import PATIENCE, HubProcess, emptied, hub_process
from stress.processes import descriptors, pss, within
from stress.sequences import NOTHING, package
from stress.stage import Stage
from transform_hub.client import SequenceClient

TITLE = "starts and ends in a row"

AT_ONCE = 4
SAMPLES = 10
"""Times that memory and the like are looked at; fewer in a small run, since each waits until all is forgotten."""

ALLOWED = 300
"""Bytes that Hub and zygote may grow by per start; it is noise, a leak of an Instance would be thousands."""

ENOUGH = 5000
"""Starts from which on that is judged; in fewer, histories that fill up to their bounds count too much."""


class Sample(NamedTuple):
    """How the Hub was after so many starts; memory in bytes."""

    starts: int
    hub: int
    zygote: int
    descriptors: int
    processes: int


async def run(stage: Stage) -> None:
    count = min(SAMPLES, stage.scale.starts // 5)
    step = stage.scale.starts // count
    samples: list[Sample] = []
    async with hub_process(stage.folder) as hub:
        async with hub.client() as host:
            sequence_id = (await host.send_sequence(package(stage.folder, NOTHING))).id
        await start_and_end(hub, sequence_id, step)
        begun = time.monotonic()
        samples.append(await sample(hub, 0))
        for number in range(1, count + 1):
            await start_and_end(hub, sequence_id, step)
            samples.append(await sample(hub, number * step))
        rate = stage.scale.starts / (time.monotonic() - begun)
    stage.tell(f"{stage.scale.starts} starts and ends, {AT_ONCE} at a time", f"{rate:.0f} a second")
    judge(stage, samples)


def judge(stage: Stage, samples: list[Sample]) -> None:
    """Tell how it went, and what has grown that must not."""
    first, last = samples[0], samples[-1]
    for name in ("hub", "zygote"):
        begin, end = getattr(first, name), getattr(last, name)
        growth = slope([(each.starts, getattr(each, name)) for each in samples[len(samples) // 2 :]])
        figure = f"{begin / 1e6:.1f} -> {end / 1e6:.1f} MB, {growth:+.0f} bytes per start"
        stage.tell(
            f"memory of the {name}: begin, end, slope of the second half", figure, f"<= {ALLOWED} bytes per start"
        )
        if last.starts >= ENOUGH:
            assert growth <= ALLOWED, f"the {name} grows by {growth:.0f} bytes per start"
    for what in ("descriptors", "processes"):
        begin, end = getattr(first, what), getattr(last, what)
        stage.tell(what, f"{begin} -> {end}", "no more")
        assert end <= begin, f"{end} {what} where there were {begin}"


async def start_and_end(hub: HubProcess, sequence_id: str, count: int) -> None:
    """Run Instances to their end, some at a time; then the Hub forgets them."""
    left = iter(range(count))

    async def one_after_the_other(sequence: SequenceClient) -> None:
        for _ in left:
            instance = await sequence.start()
            assert (await instance.wait(PATIENCE)).exitcode == 0

    async with hub.client() as host:
        await asyncio.gather(*(one_after_the_other(host.sequence(sequence_id)) for _ in range(AT_ONCE)))
        await emptied(host)


async def sample(hub: HubProcess, starts: int) -> Sample:
    """Look at Hub and zygote, now that nobody is connected and no runner there."""
    await within(PATIENCE, lambda: not hub.runners(), "no runner is left")
    await within(PATIENCE, lambda: is_alone(hub), "no client is left")
    [zygote] = hub.process.children()
    await within(PATIENCE, lambda: len(zygote.children()) == 1, "the spare runner is there")
    both = hub.descriptors + descriptors(zygote.pid)
    return Sample(starts, pss(hub.process.pid), pss(zygote.pid), both, len(hub.family()))


def is_alone(hub: HubProcess) -> bool:
    """Whether the Hub listens, and nothing more."""
    return all(connection.status == psutil.CONN_LISTEN for connection in hub.process.net_connections("tcp4"))


def slope(points: list[tuple[int, int]]) -> float:
    """How much the second value grows with the first: least squares."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread
