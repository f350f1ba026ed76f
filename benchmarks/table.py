"""Figures as they are shown, and the table of ``make bench`` in a document."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from pathlib import Path

import psutil

VARIABLE = "BENCH_ROWS"
"""Names the file that rows are collected in."""

BEGIN, END = "<!-- made by `make bench`: begin -->\n", "<!-- made by `make bench`: end -->\n"
HEAD = "| what | figure | in the same run | budget | |\n|---|---|---|---|---|\n"


@dataclasses.dataclass
class Row:
    """A figure.

    Attributes:
        what: was measured.
        figure: with its unit.
        others: peers and limits, taken in the same run.
        budget: what it should be; empty if there is none.
        met: whether it is.
    """

    what: str
    figure: str
    others: str = ""
    budget: str = ""
    met: bool = True

    @property
    def verdict(self) -> str:
        if not self.budget:
            return ""
        return "met" if self.met else "**missed**"


def row(what: str, figure: str, *, others: str = "", budget: str = "", met: bool = True) -> None:
    """Show a figure, and collect it where ``run.py`` has asked for that."""
    made = Row(what, figure, others, budget, met)
    print(what)
    print(f"    {figure}" + (f"     budget: {budget}: {made.verdict}" if budget else ""))
    if others:
        print(f"    {others}")
    if file := os.environ.get(VARIABLE):
        with Path(file).open("a") as rows:
            rows.write(json.dumps(dataclasses.asdict(made)) + "\n")


def machine(load: float) -> str:
    """What the figures were made on."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"Made with `make bench`: {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release().partition('-')[0]} {platform.machine()}, Python {platform.python_version()}, uvloop; "
        f"everything on loopback. The system's load was {load:.1f} when it began."
    )


def write(document: Path, rows: list[Row], load: float) -> None:
    """Put rows into the place of those of the run before.

    Raises:
        ValueError: the document has no place for them.
    """
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{document} has no lines {BEGIN!r} and {END!r}")
    lines = [f"| {each.what} | {each.figure} | {each.others} | {each.budget} | {each.verdict} |\n" for each in rows]
    document.write_text(f"{before}{begin}{machine(load)}\n\n{HEAD}{''.join(lines)}{end}{after}")
