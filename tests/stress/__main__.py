"""Runs the scenarios one after the other: ``python -m stress``; see ``--help`` for its options."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import importlib
import os
import random
import resource
import secrets
import sys
import tempfile
import time
from pathlib import Path

from stress.report import Result, write
from stress.stage import SCALES, Scale, Skipped, Stage

SCENARIOS = (
    "crowd",
    "many_streams",
    "runner_killed",
    "zygote_killed",
    "hub_killed",
    "hub_outlived",
    "disconnects",
    "slow_readers",
    "disk_full",
    "clock_jump",
    "churn",
    "leaks",
)


async def play(name: str, scale: Scale, seed: int) -> Result:
    """Run one scenario; a broken promise is part of the result."""
    scenario = importlib.import_module(f"stress.{name}")
    begun, load = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="stress-", ignore_cleanup_errors=True) as folder:
        stage = Stage(scale, Path(folder), random.Random(seed))
        trouble = ""
        try:
            await scenario.run(stage)
        except Skipped as reason:
            trouble = f"not run: {reason}"
        except Exception as error:  # noqa: BLE001 - the other scenarios are run all the same
            trouble = f"BROKEN: {type(error).__name__}: {error}"
    return Result(scenario.TITLE, seed, load, time.monotonic() - begun, stage.rows, trouble)


def allow_descriptors() -> None:
    """The streams' other ends are all in this process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main() -> int:
    options = arguments()
    given = {field: getattr(options, field) for field in Scale.__annotations__ if getattr(options, field) is not None}
    scale = dataclasses.replace(SCALES[options.scale], **given)
    allow_descriptors()
    results = []
    for name in options.only or SCENARIOS:
        print(f"{name}, seed {options.seed} ...", flush=True)
        results.append(asyncio.run(play(name, scale, options.seed)))
        for row in results[-1].rows:
            print("   ", " | ".join(row), flush=True)
        print(f"    {results[-1].trouble or 'all promises kept'} ({results[-1].seconds:.0f} s)", flush=True)
        if options.write:
            write(options.write, results, options.scale)
    return 1 if any(result.trouble.startswith("BROKEN") for result in results) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m stress", description=__doc__)
    parser.add_argument("--scale", choices=SCALES, default=os.environ.get("STRESS_SCALE", "full"))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("STRESS_SEED") or secrets.randbelow(10**6)))
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--write", type=Path, help="document whose table is replaced")
    for field in dataclasses.fields(Scale):
        parser.add_argument(f"--{field.name}", type=float if field.type == "float" else int)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
