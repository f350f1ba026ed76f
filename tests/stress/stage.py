"""What a scenario is given, and what it tells."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything.

    Attributes:
        instances: that run at once.
        seconds: that they stream.
        streams: that are open at once.
        rounds: of each fault.
        lines: that go through a stream.
        starts: and ends in a row.
        lives: of a Hub and a client, one after the other.
    """

    instances: int
    seconds: float
    streams: int
    rounds: int
    lines: int
    starts: int
    lives: int


SCALES = {
    "full": Scale(instances=200, seconds=20, streams=2000, rounds=30, lines=20_000, starts=10_000, lives=50),
    "quick": Scale(instances=40, seconds=3, streams=400, rounds=8, lines=5_000, starts=400, lives=10),
    "tiny": Scale(instances=4, seconds=0.3, streams=20, rounds=2, lines=500, starts=20, lives=3),
}


class Skipped(Exception):  # noqa: N818 - it is no error
    """The machine lacks what a scenario needs; the message says what."""


@dataclasses.dataclass
class Stage:
    """The surroundings of a run.

    Attributes:
        folder: for whatever it writes.
        dice: what is random comes from it, so that a seed repeats it.
        rows: what was measured and what was promised of it, for the table.
    """

    scale: Scale
    folder: Path
    dice: random.Random
    rows: list[tuple[str, str, str]] = dataclasses.field(default_factory=list)

    def tell(self, what: str, figure: str, promise: str = "") -> None:
        """Add a row to the table."""
        self.rows.append((what, figure, promise))
