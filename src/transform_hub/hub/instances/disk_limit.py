"""Ends Instances whose ``data_dir`` has grown beyond their limit; the system itself has no limit for a directory."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from transform_hub.hub.instances.instance import Instance

PERIOD = 2.0
"""Seconds between two looks."""

ENTRY = 512
"""Bytes that a file or directory counts at least: an empty one takes an inode and a name."""


class DiskLimit:
    """Looks at the directories of Instances that have a limit.

    Args:
        instances: gives all Instances.
        data_dir: gives the directory of an Instance's id.
    """

    def __init__(self, instances: Callable[[], Iterable[Instance]], data_dir: Callable[[str], Path]) -> None:
        self._instances = instances
        self._data_dir = data_dir
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look from now on."""
        self._task = asyncio.ensure_future(self._watch())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            for instance in list(self._instances()):
                limit = (instance.order.request.limits or {}).get("disk")
                if limit is not None and not instance.ended.is_set():
                    used = await asyncio.to_thread(_used, self._data_dir(instance.id))
                    if used > limit * 1024 * 1024:
                        instance.end_for(f"Disk limit of {limit:g} MB: its data_dir has {used / 1024 / 1024:.0f} MB")


def _used(folder: Path) -> int:
    """Bytes that what is in a folder takes of the disk; what vanishes meanwhile takes none."""
    used, left = 0, [folder]
    while left:  # os.walk() follows a link in place of the first folder, and recurses up to Python 3.11
        path = left.pop()
        with contextlib.suppress(OSError), _opened(path) as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    used += max(entry.stat(follow_symlinks=False).st_blocks * 512, ENTRY)
                    if entry.is_dir(follow_symlinks=False):
                        left.append(path / entry.name)
    return used


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
