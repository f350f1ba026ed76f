"""What a replay found: which changes are deliberate, and the table of routes in docs/compatibility.md."""

from __future__ import annotations

import dataclasses
import json
from fnmatch import fnmatchcase
from pathlib import Path

from replay import ASPECTS, Result

DOCUMENT = Path(__file__).parents[2] / "docs" / "compatibility.md"
BEGIN, END = "<!-- made by tests/conformance: begin -->\n", "<!-- made by tests/conformance: end -->\n"


@dataclasses.dataclass(frozen=True)
class Difference:
    """A deliberate difference from STH: why, and which changes in which exchanges it explains."""

    name: str
    why: str
    changes: tuple[str, ...]
    exchanges: tuple[str, ...] = ("*",)

    def explains(self, exchange: str, change: str) -> bool:
        return any(fnmatchcase(exchange, pattern) for pattern in self.exchanges) and any(
            fnmatchcase(change, pattern) for pattern in self.changes
        )


def deliberate() -> list[Difference]:
    """The deliberate differences, all of them."""
    listed = json.loads(Path(__file__).with_name("differences.json").read_text())
    return [
        Difference(**{key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()})
        for entry in listed
    ]


def unexplained(results: list[Result], listed: list[Difference]) -> list[str]:
    """The changes that no difference explains."""
    return [
        f"{result.name} ({result.route}): {change}"
        for result in results
        for change in result.changes
        if not any(difference.explains(result.name, change) for difference in listed)
    ]


def stale(results: list[Result], listed: list[Difference]) -> list[str]:
    """The differences that explain nothing."""
    return [
        difference.name
        for difference in listed
        if not any(difference.explains(result.name, change) for result in results for change in result.changes)
    ]


def document(results: list[Result], listed: list[Difference]) -> str:
    """The part of docs/compatibility.md that is made: the table, and the differences it names."""
    routes: dict[str, list[Result]] = {}
    for result in results:
        routes.setdefault(result.route, []).append(result)
    lines = [
        f"{len(results)} exchanges recorded with STH 1.0.1, {len(routes)} routes. "
        f"{sum(not result.changes for result in results)} are the same in every respect.\n",
        "| route | exchanges | status | content type | keys | data | differences |",
        "|---|---|---|---|---|---|---|",
        *(_row(route, routes[route], listed) for route in sorted(routes, key=lambda route: route.split()[::-1])),
        "",
        "| difference | why |",
        "|---|---|",
        *(f"| {difference.name} | {difference.why} |" for difference in listed),
    ]
    return "\n".join(lines) + "\n"


def _row(route: str, results: list[Result], listed: list[Difference]) -> str:
    cells = []
    for aspect in ASPECTS:
        same = sum(not any(change.startswith(aspect) for change in result.changes) for result in results)
        cells.append("same" if same == len(results) else f"{same} of {len(results)} same")
    names = [
        difference.name
        for difference in listed
        if any(difference.explains(result.name, change) for result in results for change in result.changes)
    ]
    return f"| `{route}` | {len(results)} | {' | '.join(cells)} | {', '.join(names)} |"


def committed() -> str:
    """The part that is made, as it stands in the document."""
    return DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0]


def write(part: str) -> None:
    """Put it there."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + part + END + rest.partition(END)[2])
