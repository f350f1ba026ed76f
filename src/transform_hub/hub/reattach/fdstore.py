"""Where a Hub finds the zygotes that have outlived an earlier one, and keep its Instances.

    <sequences root>/.hub/keepers/<name>    one file per zygote; it holds the path of the socket it can be asked on

A zygote is gone when its socket is; who finds that out removes the file, and the directory of the socket. So only a
file that has been written whole, by a Hub, is believed: half a path may lead to a directory of somebody else.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from transform_hub.hub.link.socket_dir import socket_directory

log = logging.getLogger(__name__)

_PREFIX, _NAME = "sth-keeper-", "keeper"


class KeeperPlaces:
    """Files that say where zygotes are found that outlive their Hub, one for each.

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
            place = _read(file)
            if place is None:
                log.warning("%s does not say where a keeper is and is left out", file)
            elif place not in self._ours:
                yield place

    def make(self) -> str:
        """A path for a socket: short, as these have to be, and reached by this user alone; another Hub will find it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        place = str(Path(socket_directory(_PREFIX), _NAME))
        self._ours.add(place)
        self._file(place).write_text(place)
        return place

    def forget(self, place: str) -> None:
        """Nobody is there any more."""
        self._file(place).unlink(missing_ok=True)
        shutil.rmtree(Path(place).parent, ignore_errors=True)

    def _file(self, place: str) -> Path:
        return self._folder / Path(place).parent.name


def _read(file: Path) -> str | None:
    """The path in a file; None if no Hub has written it so."""
    try:
        place = Path(file.read_text())
    except (OSError, UnicodeDecodeError):
        return None
    folder = place.parent
    is_ours = place.is_absolute() and place.name == _NAME and folder.name.startswith(_PREFIX)
    return str(place) if is_ours and folder.name == file.name else None
