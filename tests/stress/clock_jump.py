"""The system's clock jumps while Instances run: nothing times out, nothing hangs, nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

from stress.flow import Flow
from stress.hub import PATIENCE, hub_process
from stress.sequences import ECHO, NOTHING, package
from stress.stage import Skipped, Stage

TITLE = "clock jumps"

LIBRARIES = ("usr/lib/*/faketime/libfaketimeMT.so.1", "usr/lib/faketime/libfaketimeMT.so.1")

JUMPS = ("+3600", "-3600", "+86400", "-86400", "+315360000")
"""Seconds from the real time."""


async def run(stage: Stage) -> None:
    clock = stage.folder / "clock"
    clock.write_text("+0")
    lines = 0
    async with hub_process(stage.folder, environment=faketime(clock)) as hub, hub.client() as host:
        echo = await host.send_sequence(package(stage.folder, ECHO, name="echo"))
        nothing = await host.send_sequence(package(stage.folder, NOTHING, name="nothing"))
        kept = await nothing.start()  # is to be there for a minute after its end, whatever the clock says
        years = set()
        for _ in range(stage.scale.rounds):
            flow = Flow(await echo.start(), stage.scale.lines)
            await flow.reached(stage.dice.randrange(stage.scale.lines * 9 // 10))
            clock.write_text(stage.dice.choice(JUMPS))
            await asyncio.wait_for(host.run(nothing, timeout=PATIENCE), PATIENCE)
            await flow.over()
            flow.check_whole()
            lines += flow.count
            years.add((await flow.instance.get_info()).created[:4])
        clock.write_text("+315360000")
        late = await nothing.start()
        years.add((await late.get_info()).created[:4])
        assert len(years) > 1, "the clock did not jump"
        await kept.get_info()
    stage.tell(
        f"{stage.scale.rounds} jumps of an hour to ten years: lines of running Instances", str(lines), "each once"
    )
    stage.tell("starts, ends and waiting meanwhile that hung or failed", "0", "none")


def faketime(clock: Path) -> dict[str, str]:
    """The environment of a program that sees the clock that stands in a file; what measures spans is left alone."""
    found = [str(path) for pattern in LIBRARIES for path in Path("/").glob(pattern)]
    if not found:
        raise Skipped("needs libfaketime")
    return {
        "LD_PRELOAD": found[0],
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
