"""The descriptor store: what holds descriptors while there is no Hub, so that Instances and topics outlive it.

A runtime that has one implements :class:`FdStore` besides its own protocol. The zygotes of this machine are such stores
(see :mod:`transform_hub.runner.fdstore`); a Hub finds those of an earlier one by

    <sequences root>/.hub/fdstore/<name>    one file per zygote; it holds the path of the socket it can be asked on

A zygote is gone when its socket is; a Hub that finds that out removes the file, and the directory of the socket. Only a
file that was written whole, by a Hub, is believed: half a path may lead to a directory of somebody else.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from transform_hub.hub.link.socket_dir import socket_directory
from transform_hub.hub.private import make_directory, open_file
from transform_hub.hub.runtimes.runtime import Exit

log = logging.getLogger(__name__)

_PREFIX, _NAME = "sth-fdstore-", "fdstore"


class Survivor(NamedTuple):
    """What has outlived the Hub that stored it.

    Attributes:
        name: under which it was stored: the id of an Instance, or that of a topic.
        descriptors: by their names; fewer than were stored if they were more than the store could hold.
    """

    name: str
    descriptors: dict[str, int]


@runtime_checkable
class FdStore(Protocol):
    """Holds descriptors for another Hub."""

    def hold(self, name: str, descriptors: dict[str, int]) -> None:
        """Hold duplicates of these, in the place of what was held under that name."""

    def hold_more(self, name: str, descriptors: dict[str, int]) -> None:
        """Hold these as well, besides what is held under that name."""

    def release(self, name: str) -> None:
        """Hold nothing under that name any more."""

    async def survivors(self) -> list[Survivor]:
        """What has outlived an earlier Hub; all of it is to be watched, held anew, or released."""

    def watch(self, instance_id: str, on_exit: Callable[[Exit], None]) -> None:
        """Tell the end of a runner that has outlived its Hub, as ``launch`` does; at once if it has ended already."""


class FdStoreFiles:
    """The files that say where zygotes are found, one for each.

    Args:
        folder: where these files are.
        timeout: seconds that a zygote waits for another Hub.
    """

    def __init__(self, folder: Path, timeout: float) -> None:
        self._folder = folder
        self.timeout = timeout
        self._ours: set[str] = set()

    def find(self) -> Iterator[str]:
        """The paths of their sockets; not of those that this Hub has made."""
        for file in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            path = _read(file)
            if path is None:
                log.warning("%s does not say where a descriptor store is and is left out", file)
            elif path not in self._ours:
                yield path

    def make(self) -> str:
        """A path for a socket: short, as these have to be, and reached by this user alone; another Hub will find it."""
        make_directory(self._folder)
        path = str(Path(socket_directory(_PREFIX), _NAME))
        self._ours.add(path)
        with open_file(self._file(path), "wb") as file:
            file.write(path.encode())
        return path

    def forget(self, path: str) -> None:
        """Nobody is there any more."""
        try:
            self._file(path).unlink(missing_ok=True)
        except OSError as error:  # it leads the next Hub nowhere
            log.warning("%s can't be removed: %s", self._file(path), error.strerror)
        shutil.rmtree(Path(path).parent, ignore_errors=True)

    def _file(self, path: str) -> Path:
        return self._folder / Path(path).parent.name


def _read(file: Path) -> str | None:
    """The path in a file; None if no Hub has written it so."""
    try:
        path = Path(file.read_text())
    except (OSError, UnicodeDecodeError):
        return None
    folder = path.parent
    is_ours = path.is_absolute() and path.name == _NAME and folder.name.startswith(_PREFIX)
    return str(path) if is_ours and folder.name == file.name else None
