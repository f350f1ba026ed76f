"""Numbered lines: what was sent is recognised when it arrives, once, twice, torn or not at all.

A line is ``<writer>:<number>:<padding>``. Each writer begins with an empty line, so that a line which another has left
unfinished stays apart from its first.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterator

WIDTH = 100
"""Bytes of a line."""


def lines(writer: str, count: int, *, first: int = 0) -> Iterator[bytes]:
    """The lines of a writer."""
    for number in range(first, first + count):
        yield f"{writer}:{number}:".encode().ljust(WIDTH - 1, b".") + b"\n"


def batches(writer: str, count: int, size: int, *, first: int = 0) -> Iterator[bytes]:
    """The same, several in a chunk, after an empty line."""
    yield b"\n"
    for start in range(first, first + count, size):
        yield b"".join(lines(writer, min(size, first + count - start), first=start))


@dataclasses.dataclass
class Arrived:
    """What has arrived, by writer."""

    numbers: dict[str, list[int]] = dataclasses.field(default_factory=lambda: collections.defaultdict(list))
    torn: int = 0

    @classmethod
    def of(cls, data: bytes) -> Arrived:
        """Read a stream that has come; its last line may be cut off."""
        arrived = cls()
        for line in filter(None, data.split(b"\n")):
            writer, _, rest = line.partition(b":")
            number, colon, padding = rest.partition(b":")
            if len(line) == WIDTH - 1 and colon and number.isdigit() and not padding.strip(b"."):
                arrived.numbers[writer.decode()].append(int(number))
            else:
                arrived.torn += 1
        return arrived

    def of_writer(self, writer: str) -> list[int]:
        return self.numbers.get(writer, [])

    def check_order(self) -> None:
        """Each writer's lines came in order, none of them twice."""
        for writer, numbers in self.numbers.items():
            for one, next_ in itertools.pairwise(numbers):
                assert one < next_, f"line {next_} of {writer} came after {one}"

    def check_whole(self, writer: str, count: int, *, first: int = 0) -> None:
        """All lines of a writer came, each exactly once and in order."""
        numbers = self.of_writer(writer)
        assert numbers == list(range(first, first + count)), _difference(writer, numbers, first, count)

    def check_begin(self, writer: str, sent: int) -> int:
        """The first lines of a writer came, without a gap, and none that was not sent; how many."""
        numbers = self.of_writer(writer)
        assert numbers == list(range(len(numbers))), _difference(writer, numbers, 0, len(numbers))
        assert len(numbers) <= sent, f"{len(numbers)} lines of {writer} came, {sent} were sent"
        return len(numbers)


def _difference(writer: str, numbers: list[int], first: int, count: int) -> str:
    wanted = set(range(first, first + count))
    missing, twice = sorted(wanted - set(numbers)), len(numbers) - len(set(numbers))
    order = "in order" if numbers == sorted(numbers) else "out of order"
    return f"{writer}: {len(numbers)} came of {count}, missing {missing[:5]} ({len(missing)}), {twice} twice, {order}"
