"""The table of a run, and its place in a document."""

from __future__ import annotations

import dataclasses
import os
import platform
from pathlib import Path

import psutil

BEGIN, END = "<!-- made by `make stress`: begin -->\n", "<!-- made by `make stress`: end -->\n"

HEAD = "| scenario | what | figure | promise |\n|---|---|---|---|\n"


@dataclasses.dataclass
class Result:
    """What came of a scenario.

    Attributes:
        trouble: why it was not run, or which promise it found broken.
        seed: repeats what was random in it.
        load: average of the system when it began.
    """

    title: str
    seed: int
    load: float
    seconds: float
    rows: list[tuple[str, str, str]]
    trouble: str = ""


def rows(result: Result) -> list[str]:
    """The rows of a scenario, in Markdown."""
    cells = [*result.rows, *([(result.trouble, "", "")] if result.trouble else [])]
    lines = []
    for index, row in enumerate(cells):
        about = f"{result.title} ({result.seconds:.0f} s, seed {result.seed}, load {result.load:.1f})"
        clean = (cell.replace("|", "/").replace("\n", " ") for cell in (about if index == 0 else "", *row))
        lines.append(f"| {' | '.join(clean)} |\n")
    return lines


def rows_of(made: str) -> dict[str, list[str]]:
    """The rows of a table by scenario."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in made.splitlines(keepends=True):
        if line.startswith("| ") and not HEAD.startswith(line):
            about = line.split("|")[1].strip()
            title = about.rpartition(" (")[0] or title
            found.setdefault(title, []).append(line)
    return found


def machine(scale: str) -> str:
    """What the figures were made on."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"Made with `make stress` (scale {scale}): {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}, "
        f"Python {platform.python_version()}; clients on the same machine. "
        "The load is the system's average when a scenario began."
    )


def write(document: Path, results: list[Result], scale: str) -> None:
    """Put results into the table of a document, in the place of earlier ones of the same scenarios.

    Raises:
        ValueError: the document has no place for it.
    """
    before, _, rest = document.read_text().partition(BEGIN)
    made, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{document} has no lines {BEGIN!r} and {END!r}")
    shown = rows_of(made) | {result.title: rows(result) for result in results}
    table = "".join(line for lines in shown.values() for line in lines)
    document.write_text(f"{before}{BEGIN}{machine(scale)}\n\n{HEAD}{table}{END}{after}")
