"""``si instance top``: a live view of the Instances; in a pipe, one line of JSON per update."""

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
from transform_hub.models.rules import is_loopback

if TYPE_CHECKING:
    from rich.table import Table

    from transform_hub.client.host import HostClient
    from transform_hub.models import InstanceHealth, InstanceInfo


HEADINGS = ("ID", "SEQUENCE", "STATUS", "RESTARTS", "CPU", "MEMORY", "IN/s", "OUT/s", "IN", "OUT")


@dataclass
class Row:
    """One Instance in one update; None for what neither the Hub nor this machine tells."""

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
    """Show the Instances again and again, with ``once`` a single time."""
    samples = _Samples(host, interval)
    await samples.rows()  # rates need two samples
    if not is_pretty():
        while True:
            await asyncio.sleep(interval)
            show([asdict(row) for row in await samples.rows()])
            if once:
                return
    from rich.live import Live

    with Live(_view([], host.url, 80), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(interval)
            live.update(_view(await samples.rows(), host.url, live.console.width), refresh=True)
            if once:
                return


class _Samples:
    """Samples of all Instances of a Hub; rates are computed from the last one."""

    def __init__(self, host: HostClient, interval: float) -> None:
        self._host = host
        self._patience = max(interval, 0.5)
        self._is_local = is_loopback(urlsplit(host.url).hostname or "")
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
        # The Hub answers only when the Instance has reported its health once.
        with contextlib.suppress(HubError, asyncio.TimeoutError):
            health = await asyncio.wait_for(self._host.instance(info.id).get_health(), self._patience)
            self._take(row, health)
        return row

    def _take(self, row: Row, health: InstanceHealth) -> None:
        row.healthy = health.healthy
        if (traffic := health.traffic) is not None:
            row.bytes_in = traffic.input + traffic.stdin
            row.bytes_out = traffic.output + traffic.stdout + traffic.stderr
        if not self._is_local or (pid := health.process_id) is None:
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
