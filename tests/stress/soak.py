"""Work of all kinds for a long time: memory, descriptors and latency of a Hub do not grow with it.

``python -m stress.soak --minutes 30 --picture ../docs/soak.svg`` runs it and draws how it went.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from stress.churn import slope
from stress.hub import PATIENCE, HubProcess, hub_process
from stress.numbered import Arrived, batches
from stress.probe import probing
from stress.processes import descriptors, pss
from stress.sequences import ECHO, NOTHING, WAITING, package
from transform_hub.client import HostClient
from transform_hub.errors import HubError, NotFoundError
from transform_hub.models import RestartPolicy

LINES = 5000
PROBED = 1
"""Seconds of small calls for one look."""

SETTLED = 1 / 3
"""The part of the run after which growth is measured: caches, pools and histories are full by then."""

CRASHING = """
    import asyncio, os

    async def run(context, input):
        await asyncio.sleep(0.2)
        os.abort()
"""


class Sample(NamedTuple):
    """The Hub at a moment: seconds since the begin, bytes, ms."""

    at: float
    hub: int
    zygote: int
    descriptors: int
    p50: float
    p99: float


class Work:
    """What is done with a Hub, again and again."""

    def __init__(self, host: HostClient, folder: Path, dice: random.Random) -> None:
        self._host, self._folder, self._dice = host, folder, dice
        self.done: dict[str, int] = {}

    async def run(self, until: float) -> None:
        """Do all kinds at the same time."""
        kinds = (self._stream, self._stream, self._topic, self._end, self._kill, self._restart, self._upload)
        await asyncio.gather(*(self._repeat(kind, until) for kind in kinds))

    async def _repeat(self, kind: Callable[[], Awaitable[None]], until: float) -> None:
        name = kind.__name__.removeprefix("_")
        while time.monotonic() < until:
            await kind()
            self.done[name] = self.done.get(name, 0) + 1

    async def _instance_of(self, source: str, name: str, **options: object):
        sequence = await self._host.send_sequence(package(self._folder, source, name=name))
        return sequence, await sequence.start(**options)

    async def _stream(self) -> None:
        sequence, instance = await self._instance_of(ECHO, "echo")
        sending = asyncio.ensure_future(instance.send_input(b"".join(batches("w", LINES, 100))))
        data = b"".join([chunk async for chunk in instance.get_output()])
        await sending
        Arrived.of(data).check_whole("w", LINES)
        await instance.wait(PATIENCE)
        await sequence.delete(force=True)

    async def _topic(self) -> None:
        topic = await self._host.create_topic(f"topic{self.done.get('topic', 0)}", "text/plain")
        for _ in range(10):
            await topic.send(b"".join(batches("w", 100, 100)))
        got = b""
        async with topic.get() as reader:
            async for chunk in reader:
                got += chunk
                if len(got) >= 10 * 100 * 100:
                    break
        await topic.delete()

    async def _end(self) -> None:
        sequence, instance = await self._instance_of(NOTHING, "nothing")
        assert (await instance.wait(PATIENCE)).exitcode == 0
        await sequence.delete(force=True)

    async def _kill(self) -> None:
        sequence, instance = await self._instance_of(WAITING, "waiting")
        await asyncio.sleep(self._dice.uniform(0, 0.5))
        await instance.kill(remove_immediately=True)
        with contextlib.suppress(NotFoundError, HubError):
            await sequence.delete(force=True)

    async def _restart(self) -> None:
        policy = RestartPolicy(policy="on-failure", max_retries=3, delay=100)
        sequence, instance = await self._instance_of(CRASHING, "crashing", restart=policy)
        await instance.wait(3 * PATIENCE)
        await sequence.delete(force=True)

    async def _upload(self) -> None:
        data = package(self._folder, NOTHING, name="large", ballast=self._dice.randbytes(1 << 20))
        await (await self._host.send_sequence(io.BytesIO(data))).delete()
        await asyncio.sleep(0.5)


async def soak(folder: Path, seconds: float, every: float, dice: random.Random) -> tuple[list[Sample], dict[str, int]]:
    """Work with a Hub for so long, and look at it now and then."""
    samples: list[Sample] = []
    async with hub_process(folder, "--instance-lifetime-extension-delay", "5000") as hub, hub.client() as host:
        begun = time.monotonic()
        work = Work(host, folder, dice)
        working = asyncio.ensure_future(work.run(begun + seconds))
        while not working.done():
            await asyncio.wait({working}, timeout=every)
            samples.append(await _sample(hub, time.monotonic() - begun))
        await working
    return samples, work.done


async def _sample(hub: HubProcess, at: float) -> Sample:
    async with probing(hub.port) as latencies:
        await asyncio.sleep(PROBED)
    [zygote] = hub.process.children()
    return Sample(
        at,
        pss(hub.process.pid),
        pss(zygote.pid),
        hub.descriptors + descriptors(zygote.pid),
        latencies.share(0.5),
        latencies.share(0.99),
    )


def growth(samples: list[Sample], what: str) -> float:
    """By how much a figure grows per minute, once the Hub has settled."""
    settled = [each for each in samples if each.at >= samples[-1].at * SETTLED]
    return 60 * slope([(each.at, getattr(each, what)) for each in settled])


def draw(samples: list[Sample], path: Path) -> None:
    """Draw how it went."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "soak"
    from matplotlib import pyplot as plt

    minutes = [each.at / 60 for each in samples]
    figure, (memory, files, latency) = plt.subplots(3, sharex=True, figsize=(8, 6), layout="constrained")
    memory.plot(minutes, [each.hub / 1e6 for each in samples], label="Hub")
    memory.plot(minutes, [each.zygote / 1e6 for each in samples], label="zygote")
    memory.set_ylabel("memory (PSS), MB")
    files.plot(minutes, [each.descriptors for each in samples], label="Hub and zygote")
    files.set_ylabel("descriptors")
    latency.plot(minutes, [each.p50 for each in samples], label="median")
    latency.plot(minutes, [each.p99 for each in samples], label="99 of 100")
    latency.set_ylabel("small calls, ms")
    latency.set_xlabel("minutes")
    for axes in (memory, files, latency):
        axes.set_ylim(bottom=0)
        axes.legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stress.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
        samples, done = asyncio.run(soak(Path(folder), options.minutes * 60, 10, random.Random(1)))
    print(", ".join(f"{count} x {name}" for name, count in done.items()))
    for each in samples[:: max(len(samples) // 20, 1)]:
        print(each)
    print(f"Hub {growth(samples, 'hub') / 1e6:+.3f} MB a minute, zygote {growth(samples, 'zygote') / 1e6:+.3f}")
    if options.picture:
        draw(samples, options.picture)


if __name__ == "__main__":
    main()
