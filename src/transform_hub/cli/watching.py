"""Tells when the folder of a Sequence has changed, by the times of the files that would be packed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from transform_hub.errors import PackageError
from transform_hub.package import contents

INTERVAL = 0.3
"""Seconds between two looks: no system tells of changes everywhere, network and container mounts among them."""

State = dict[str, tuple[int, int, int]]


async def changed(folder: Path, since: State) -> None:
    """Return when the folder differs, and nobody is writing to it any more."""
    latest = since
    while True:
        await asyncio.sleep(INTERVAL)
        state = await asyncio.to_thread(look, folder)
        if state != since and state == latest:
            return
        latest = state


def look(folder: Path) -> State:
    """Inode, time and size of each file; nothing while the folder can't be packed."""
    try:
        found = [(path, (folder / path).lstat()) for path in contents(folder)]
    except (OSError, PackageError):
        return {}
    return {path: (status.st_ino, status.st_mtime_ns, status.st_size) for path, status in found}
