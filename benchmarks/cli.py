"""Start-up of ``si`` against the ``si`` of npm: milliseconds of wall clock and of CPU, on a warm disk.

Both ask the same Hub.
Run: ``python benchmarks/cli.py [rounds]``.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import hub_process, npm_si
from table import row

OURS = Path(sys.executable).with_name("si")
BUDGETS = {("--version",): 150, ("--help",): 150, ("seq", "list"): 250}


def timed(program: Path, words: tuple[str, ...], env: dict[str, str]) -> tuple[float, float]:
    """Wall clock and CPU of one run, in ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([program, *words], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall * 1000, cpu * 1000


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    theirs = npm_si()
    programs = {"si": OURS} | ({"si of npm": theirs} if theirs else {})
    with tempfile.TemporaryDirectory() as home, hub_process() as port:
        env = {**os.environ, "HOME": home, "TMPDIR": home}
        for program in programs.values():  # each reads the profile that the first has written
            url = f"http://127.0.0.1:{port}/api/v1"
            subprocess.run([program, "config", "set", "apiUrl", url], env=env, check=True, stdout=subprocess.DEVNULL)
        times = {(name, words): [] for name in programs for words in BUDGETS}
        for _ in range(rounds):  # in turn, so that both see the same machine
            for (name, words), samples in times.items():
                samples.append(timed(programs[name], words, env))
    for words, budget in BUDGETS.items():
        medians = {name: statistics.median(wall for wall, _ in times[name, words]) for name in programs}
        ours, peer = medians.pop("si"), "".join(f"{name} {median:.0f} ms" for name, median in medians.items())
        row(
            f"`si {' '.join(words)}`, median of {rounds}",
            f"{ours:.0f} ms",
            others=peer,
            budget=f"<= {budget} ms",
            met=ours <= budget,
        )


if __name__ == "__main__":
    main()
