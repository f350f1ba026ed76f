"""The history: Instances that have ended, kept over restarts of the Hub.

    <sequences root>/.hub/history.ndjson     a line when an Instance has started, one when it has ended

The last line of an id counts. An Instance without a line of its end was running when its Hub was killed: the next
Hub writes its end, unless it goes on with it. The file is only ever appended to, so that `kill -9` leaves at most a
line that is cut short, which is not read; when it has more than twice the lines that are needed it is written anew,
in one step. Lines are with the system when an Instance has ended, not forced to the disk.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Container
from pathlib import Path
from typing import BinaryIO

import msgspec

from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.observers import InstanceObserver
from transform_hub.hub.private import make_directory, open_file
from transform_hub.models import ENDED, HistoryEntry, PastSequence

log = logging.getLogger(__name__)

MAX_TEXT = 2000
"""Letters of an error or a name that are kept."""

HUB_KILLED = "The Hub was killed, and the Instance ended with it"


class History(InstanceObserver):
    """What has ended, the latest first.

    Args:
        path: of the file.
        limit: entries that are kept; 0 keeps none, and no file.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._ended: deque[HistoryEntry] = deque(maxlen=limit)
        self._running: dict[str, HistoryEntry] = {}
        self._lines = 0
        self._file: BinaryIO | None = None

    def open(self) -> None:
        """Read what earlier Hubs have written."""
        if not self._limit:
            return
        try:
            make_directory(self._path.parent)
            if self._path.exists():
                self._read()
            self._write_anew()
        except OSError as error:
            log.warning("The history is not kept over a restart of the Hub: %s", error)

    def close_lost(self, going_on: Container[str]) -> None:
        """Write the end of Instances that did not outlive their Hub.

        Args:
            going_on: the ids of those that did.
        """
        for entry in [entry for entry in self._running.values() if entry.id not in going_on]:
            self._add(msgspec.structs.replace(entry, status="errored", error=HUB_KILLED))

    def started(self, instance: Instance, seconds: float | None) -> None:
        if instance.id not in self._running and not instance.ended.is_set():
            self._add(_entry(instance))

    def ended(self, instance: Instance) -> None:
        self._add(_entry(instance))

    def entries(self, sequence: str | None = None) -> list[HistoryEntry]:
        """The entries, the latest end first; only those of a Sequence, if its id or name is given."""
        return [each for each in reversed(self._ended) if sequence in (None, each.sequence.id, each.sequence.name)]

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _add(self, entry: HistoryEntry) -> None:
        if not self._limit:
            return
        self._count(entry)
        if self._file is None:
            return
        try:
            self._file.write(msgspec.json.encode(entry) + b"\n")
            if self._lines > 2 * (self._limit + len(self._running)):
                self._write_anew()
        except OSError as error:
            log.warning("The history can't be written, and is not kept over a restart of the Hub: %s", error)
            self.close()

    def _count(self, entry: HistoryEntry) -> None:
        self._lines += 1
        self._running.pop(entry.id, None)
        if entry.status in ENDED:
            self._ended.append(entry)
        else:
            self._running[entry.id] = entry

    def _read(self) -> None:
        with self._path.open("rb") as file:
            for line in file:
                try:
                    self._count(msgspec.json.decode(line, type=HistoryEntry))
                # Cut short by a kill, or by a full disk, or damaged.
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    log.warning("%s: a line is not readable and is left out", self._path)

    def _write_anew(self) -> None:
        self.close()
        incoming = self._path.with_suffix(".new")
        entries = [*self._ended, *self._running.values()]
        with open_file(incoming, "wb") as file:
            file.writelines(msgspec.json.encode(entry) + b"\n" for entry in entries)
        incoming.replace(self._path)
        self._lines = len(entries)
        self._file = open_file(self._path, "ab", buffering=0)


def _entry(instance: Instance) -> HistoryEntry:
    info = instance.info()
    return HistoryEntry(
        id=info.id,
        sequence=PastSequence(id=info.sequence.id, name=(info.sequence.name or "")[:MAX_TEXT]),
        created=instance.created_at,
        started=info.started,
        ended=info.ended,
        status=instance.status,
        terminated=info.terminated,
        error=info.error and info.error[:MAX_TEXT],
        restarts=info.restarts,
    )
