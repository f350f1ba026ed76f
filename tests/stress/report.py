"""The table of a run, and its place in a document."""

from __future__ import annotations

import dataclasses
import os
import platform
from pathlib import Path

import psutil

BEGIN, END = "<!-- made by `make stress`: begin -->\n", "<!-- made by `make stress`: end -->\n"


@dataclasses.dataclass
class Result:
    """What came of a scenario.

    Attributes:
        trouble: why it was not run, or which promise it found broken.
        seed: repeats what was random in it.
    """

    title: str
    seed: int
    seconds: float
    rows: list[tuple[str, str, str]]
    trouble: str = ""


def table(results: list[Result], scale: str, load: float) -> str:
    """All of it in Markdown."""
    lines = [machine(scale, load), "", "| scenario | what | figure | promise |", "|---|---|---|---|"]
    for result in results:
        rows = [*result.rows, *([(result.trouble, "", "")] if result.trouble else [])]
        for index, row in enumerate(rows):
            title = f"{result.title} ({result.seconds:.0f} s, seed {result.seed})" if index == 0 else ""
            lines.append("| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in (title, *row)) + " |")
    return "\n".join(lines) + "\n"


def machine(scale: str, load: float) -> str:
    """What the figures were made on."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"Made with `make stress` (scale {scale}): {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}, "
        f"Python {platform.python_version()}; load average at the begin {load:.1f}, clients on the same machine."
    )


def write(document: Path, made: str) -> None:
    """Put the table in its place in a document.

    Raises:
        ValueError: the document has no place for it.
    """
    before, _, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{document} has no lines {BEGIN!r} and {END!r}")
    document.write_text(f"{before}{BEGIN}{made}{END}{after}")
