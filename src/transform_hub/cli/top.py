"""``si instance top``: a live view of the Instances; in a pipe, a line of JSON for each look."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

from transform_hub.cli.output import is_pretty, show, size
from transform_hub.errors import HubError

if TYPE_CHECKING:
    from rich.table import Table

    from transform_hub.client.host import HostClient
    from transform_hub.models import InstanceHealth, InstanceInfo


HEADINGS = ("ID", "SEQUENCE", "STATUS", "RESTARTS", "CPU", "MEMORY", "IN/s", "OUT/s", "IN", "OUT")


@dataclass
class Row:
    """What is known of an Instance at one look; None where the Hub does not tell and this machine can't."""

    id: str
    sequence: str
    status: str
    restarts: int = 0
    healthy: bool | None = None
    cpu: float | None = None
    memory: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    in_per_second: float | None = None
    out_per_second: float | None = None


async def watch(host: HostClient, interval: float, *, once: bool) -> None:
    """Look at the Instances again and again; ends with ``once`` after the second look, or when interrupted."""
    looks = _Looks(host, interval)
    await looks.rows()  # rates need two looks
    if not is_pretty():
        while True:
            await asyncio.sleep(interval)
            show([asdict(row) for row in await looks.rows()])
            if once:
                return
    from rich.live import Live

    with Live(_view([], host.url, 80), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(interval)
            live.update(_view(await looks.rows(), host.url, live.console.width), refresh=True)
            if once:
                return


class _Looks:
    """Looks at all Instances of a Hub; remembers the last one, which rates are reckoned from."""

    def __init__(self, host: HostClient, interval: float) -> None:
        self._host = host
        self._patience = max(interval, 0.5)
        self._is_here = urlsplit(host.url).hostname in ("127.0.0.1", "localhost", "::1")
        self._processes: dict[str, psutil.Process] = {}
        self._last: dict[str, Row] = {}
        self._at = 0.0

    async def rows(self) -> list[Row]:
        infos = await self._host.list_instances()
        now = time.monotonic()
        rows = list(await asyncio.gather(*(self._row(info) for info in infos)))
        for row in rows:
            self._reckon(row, now - self._at)
        self._at, self._last = now, {row.id: row for row in rows}
        self._processes = {key: value for key, value in self._processes.items() if key in self._last}
        return rows

    async def _row(self, info: InstanceInfo) -> Row:
        name = info.sequence.name or info.sequence.config.name or info.sequence.id
        row = Row(info.id, name, info.status, info.restarts)
        if info.is_ended:
            return row
        # An Instance that has said nothing of its health yet keeps whoever asks waiting.
        with contextlib.suppress(HubError, asyncio.TimeoutError):
            health = await asyncio.wait_for(self._host.instance(info.id).get_health(), self._patience)
            self._take(row, health)
        return row

    def _take(self, row: Row, health: InstanceHealth) -> None:
        row.healthy = health.healthy
        if (traffic := health.traffic) is not None:
            row.bytes_in = traffic.input + traffic.stdin
            row.bytes_out = traffic.output + traffic.stdout + traffic.stderr
        if not self._is_here or (pid := health.process_id) is None:
            return
        with contextlib.suppress(psutil.Error):
            process = self._processes.setdefault(row.id, psutil.Process(pid))
            row.cpu = process.cpu_percent()
            row.memory = process.memory_info().rss

    def _reckon(self, row: Row, seconds: float) -> None:
        before = self._last.get(row.id)
        if before is None or None in (row.bytes_in, before.bytes_in):
            return
        assert row.bytes_in is not None
        assert row.bytes_out is not None
        row.in_per_second = (row.bytes_in - (before.bytes_in or 0)) / seconds
        row.out_per_second = (row.bytes_out - (before.bytes_out or 0)) / seconds


def _view(rows: list[Row], url: str, room: int) -> Table:
    from transform_hub.cli.table import table

    cells = [[row.id, row.sequence, _status(row), *_figures(row)] for row in rows]
    return table(HEADINGS, cells, room, title=f"{url}  {time.strftime('%H:%M:%S')}", figures=len(HEADINGS) - 3)


def _status(row: Row) -> str:
    return f"{row.status}, not healthy" if row.healthy is False else row.status


def _figures(row: Row) -> list[str]:
    cpu = "" if row.cpu is None else f"{row.cpu:.0f} %"
    sizes = (row.memory, row.in_per_second, row.out_per_second, row.bytes_in, row.bytes_out)
    return [str(row.restarts or ""), cpu, *("" if value is None else size(value) for value in sizes)]
