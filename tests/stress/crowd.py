"""Many Instances at once, each streaming: memory, start latency, throughput, and how long the Hub lets others wait."""

from __future__ import annotations

import asyncio
import statistics
import time

from stress.hub import PATIENCE, HubProcess, emptied, hub_process
from stress.numbered import WIDTH, Arrived, batches
from stress.probe import in_order, probing
from stress.processes import all_gone, pss
from stress.sequences import ECHO, package
from stress.stage import Stage
from transform_hub.client import HostClient, InstanceClient, SequenceClient

AT_ONCE = 4
"""Starts that are asked for at the same time."""

BATCH = 100
"""Lines in a chunk, so 10 kB."""

TITLE = "many Instances at once"


async def run(stage: Stage) -> None:
    async with hub_process(stage.folder) as hub:
        before = hub.descriptors
        async with hub.client() as host:
            sequence = await host.send_sequence(package(stage.folder, ECHO))
            await together(stage, hub, sequence)
        await all_gone(hub.runners(), PATIENCE)
        await hub.back_at(before)
        stage.tell("left after stopping all: runners, descriptors", "0, 0", "none")


async def together(stage: Stage, hub: HubProcess, sequence: SequenceClient) -> None:
    """Start all, let them stream, and stop them."""
    instances, taken = await start_all(sequence, stage.scale.instances)
    assert len(hub.runners()) == len(instances)
    stage.tell(f"start latency of {len(instances)} Instances, {AT_ONCE} at a time", str(in_order(taken)))
    tell_memory(stage, hub, "idle")
    async with probing(hub.port) as latencies:
        begun = time.monotonic()
        carried = await asyncio.gather(*(Traffic(instance, stage.scale.seconds).run() for instance in instances))
        seconds = time.monotonic() - begun
    tell_memory(stage, hub, "after streaming")
    rate = sum(carried) * WIDTH / seconds / 1e6
    stage.tell(
        f"all streaming for {seconds:.0f} s: lines there and back", f"{sum(carried)}, {rate:.0f} MB/s", "each once"
    )
    stage.tell("small calls meanwhile", str(latencies))
    await stop_all(sequence.host, instances)


async def start_all(sequence: SequenceClient, count: int) -> tuple[list[InstanceClient], list[float]]:
    """Start Instances; they, and the ms that each took."""
    turns = asyncio.Semaphore(AT_ONCE)
    taken = []

    async def start() -> InstanceClient:
        async with turns:
            begun = time.perf_counter()
            instance = await sequence.start()
            taken.append((time.perf_counter() - begun) * 1000)
            return instance

    return list(await asyncio.gather(*(start() for _ in range(count)))), taken


async def stop_all(host: HostClient, instances: list[InstanceClient]) -> None:
    """Stop Instances; each has to end as one that was stopped, and be forgotten."""
    ended = await asyncio.gather(*(instance.stop() for instance in instances))
    for info in ended:
        assert info.terminated is not None, info
        assert (info.status, info.terminated.exitcode) in (("completed", 0), ("completed", 138)), info
    await emptied(host)


class Traffic:
    """Numbered lines through one Instance, for some time.

    Args:
        seconds: after which no more are sent.
    """

    def __init__(self, instance: InstanceClient, seconds: float) -> None:
        self.instance = instance
        self._until = time.monotonic() + seconds
        self._sent = self._came = 0

    async def run(self) -> int:
        """Send and read; how many lines came back, which are all that were sent. The input stays open."""
        reading = asyncio.create_task(self._read())
        async with self.instance.open_input("application/octet-stream", end=False) as writer:
            while time.monotonic() < self._until:
                for chunk in batches("w", BATCH, BATCH, first=self._sent):
                    await writer.write(chunk)
                self._sent += BATCH
            await writer.write("the end\n")
        await asyncio.wait_for(reading, 6 * PATIENCE)
        assert self._came == self._sent, f"{self._came} lines of {self._sent} came back"
        return self._came

    async def _read(self) -> None:
        """Count lines, each of which has to be the next."""
        rest = b""
        async with self.instance.get_output() as output:
            async for chunk in output:
                whole, _, rest = (rest + chunk).rpartition(b"\n")
                numbers = Arrived.of(whole).of_writer("w")
                assert numbers == list(range(self._came, self._came + len(numbers))), (
                    f"not the lines after {self._came}"
                )
                self._came += len(numbers)
                if whole.endswith(b"the end"):
                    return


def tell_memory(stage: Stage, hub: HubProcess, when: str) -> None:
    """The memory of Hub and runners."""
    runners = [pss(runner.pid) / 1e6 for runner in hub.runners()]
    figure = f"Hub {pss(hub.process.pid) / 1e6:.0f} MB, a runner {statistics.median(runners):.1f} MB"
    stage.tell(f"memory (PSS), {when}", figure, "a runner <= 6 MB" if when == "idle" else "")
