"""Logs: lines of JSON as they come, or coloured text for people.

{"ts": 1700000000000, "level": "INFO", "from": "Hub", "msg": "...", "data": [...]}
2023-11-14T22:13:20.000Z INFO  Hub  ...
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from transform_hub.cli.connection import with_hub
from transform_hub.cli.exits import USAGE, CommandError
from transform_hub.cli.output import is_pretty
from transform_hub.cli.settings import settings
from transform_hub.cli.stdio import write_stdout
from transform_hub.cli.streams import Opened, pour, while_read
from transform_hub.cli.visible import visible

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

Follow = Annotated[bool, typer.Option("--follow", help="Reconnect when the connection is lost.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only newer entries: 90s, 5m, 2h, 1d, or an ISO 8601 time."),
]

COLORS = {"FATAL": "magenta", "ERROR": "red", "WARN": "yellow", "INFO": "green", "DEBUG": "blue", "TRACE": "cyan"}

_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def pour_log(opened: Opened, since: str | None) -> None:
    """Write a log to stdout: as text on a terminal, otherwise unchanged."""
    after = None if since is None else since_ms(since)
    if not is_pretty() and after is None:
        pour(opened)
        return

    async def copy(host: HostClient) -> None:
        async for line in _lines(await opened(host)):
            if after is None or _ts(line) >= after:
                await write_stdout(_shown(line).encode("utf-8", "replace") + b"\n")

    with_hub(lambda host: while_read(copy(host)))


def _shown(line: str) -> str:
    if is_pretty():
        return readable(line, color=settings.colors(sys.stdout))
    return visible(line) if sys.stdout.isatty() else line


def since_ms(text: str) -> float:
    """A point in time as ms since the epoch.

    Raises:
        CommandError: the text is not a time.
    """
    if age := _AGE.fullmatch(text):
        return (time.time() - float(age[1]) * _SECONDS[age[2]]) * 1000
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        message = f"{text!r} is not a time: write an age like 90s, 5m, 2h or 1d, or a time like 2026-01-31T12:00:00"
        raise CommandError(message, code=USAGE) from None
    return moment.timestamp() * 1000


def readable(line: str, *, color: bool) -> str:
    """A log line for people; any other line stays, its control characters visible."""
    entry = _entry(line)
    moment = None if entry is None else _moment(entry)
    if entry is None or moment is None:
        return visible(line)
    level, source = visible(str(entry.get("level", ""))), visible(str(entry.get("from") or ""))
    data = entry.get("data")
    words = (
        moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        typer.style(f"{level:5}", fg=COLORS.get(level)) if color else f"{level:5}",
        typer.style(source, bold=True) if color and source else source,
        visible(str(entry.get("msg", ""))),
        visible(msgspec.json.encode(data).decode()) if data else "",
    )
    return " ".join(word for word in words if word)


async def _lines(stream: Any) -> AsyncIterator[str]:
    async for line in stream.lines():
        if isinstance(line, str):
            yield line
        else:
            print(visible(str(line)), file=sys.stderr)


def _ts(line: str) -> float:
    entry = _entry(line)
    moment = None if entry is None or "ts" not in entry else _moment(entry)
    return float("inf") if moment is None else moment.timestamp() * 1000


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _moment(entry: dict[str, Any]) -> datetime | None:
    """The time of an entry: in ms in a log of the API, as text in what ``sth`` itself writes."""
    ts = entry.get("ts", 0)
    try:
        return datetime.fromisoformat(ts.replace("Z", "+00:00")) if isinstance(ts, str) else _of_ms(ts)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _of_ms(ts: float) -> datetime:
    return datetime.fromtimestamp(ts / 1000, timezone.utc)
