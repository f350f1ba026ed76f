"""Where Sequences may write: a directory of each Instance, and one that the Instances of a Sequence share.

    <sequences root>/.hub/data/<instance id>/     context.data_dir: until the Instance is gone
    <sequences root>/.hub/cache/<sequence id>/    context.cache_dir: until the Sequence is gone; may be deleted any time
    <sequences root>/.hub/trash/<random>/         what is being deleted; emptied when a Hub starts

Only the Hub's user can look into them. What is deleted is moved away in one step first: another Instance may get the
same id at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import uuid
from collections.abc import Container, Iterable
from pathlib import Path

from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.observers import InstanceObserver
from transform_hub.hub.sequences.protection import remove_tree

log = logging.getLogger(__name__)


class Directories(InstanceObserver):
    """The directories of a Hub's Instances and Sequences.

    Args:
        folder: the Hub's own; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._data, self._cache, self._trash = folder / "data", folder / "cache", folder / "trash"
        self._removing: set[asyncio.Future[None]] = set()

    def make(self, instance_id: str, sequence_id: str) -> dict[str, Path]:
        """The ``data_dir`` of an Instance and the ``cache_dir`` of its Sequence, which are there.

        Raises:
            ApiError: they can't be made.
        """
        made = {"data_dir": self.data_dir(instance_id), "cache_dir": self._cache / sequence_id}
        try:
            for path in made.values():
                path.parent.mkdir(mode=0o700, exist_ok=True)
                path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            status = 507 if error.errno in (errno.ENOSPC, errno.EDQUOT) else 500
            raise ApiError(status, f"No directory for the Instance's data could be made: {error.strerror}") from error
        return made

    def data_dir(self, instance_id: str) -> Path:
        """Where an Instance may write, whether it is there or not."""
        return self._data / instance_id

    def gone(self, instance: Instance) -> None:
        self._discard(self._data / instance.id)

    def discard_cache(self, sequence_id: str) -> None:
        """Delete the cache of a Sequence."""
        self._discard(self._cache / sequence_id)

    def clear(self, *, but_instances: Iterable[str], but_sequences: Iterable[str]) -> None:
        """Delete what a Hub that was killed has left.

        Args:
            but_instances: ids of the Instances that go on.
            but_sequences: ids of the Sequences that there are.
        """
        self._keep(self._data, {*but_instances})
        self._keep(self._cache, {*but_sequences})
        for left in _entries(self._trash):
            self._remove(left)

    def _keep(self, folder: Path, kept: Container[str]) -> None:
        for path in _entries(folder):
            if path.name not in kept:
                self._discard(path)

    def _discard(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.rmdir()  # most are empty
            return
        if not path.exists():
            return
        doomed = self._trash / str(uuid.uuid4())
        try:
            self._trash.mkdir(mode=0o700, exist_ok=True)
            path.rename(doomed)
        except OSError as error:
            log.warning("%s could not be deleted: %s", path, error.strerror)
        else:
            self._remove(doomed)

    def _remove(self, path: Path) -> None:
        removing = asyncio.ensure_future(asyncio.to_thread(remove_tree, path))
        self._removing.add(removing)
        removing.add_done_callback(self._removing.discard)

    async def close(self) -> None:
        """Wait until all is deleted that is to be."""
        if self._removing:
            await asyncio.wait(self._removing)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
