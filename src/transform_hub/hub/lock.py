"""One Hub at a time per directory of Sequences: two would remove what the other is just receiving."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from transform_hub.errors import HubStartError
from transform_hub.hub.private import make_directory


class Lock:
    """A file that is locked while its Hub lives; the system unlocks it when that dies, however it dies.

    Args:
        path: of the file; it has the id of the process that holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take it.

        Raises:
            HubStartError: another Hub has it, or the directory can't be used.
        """
        folder = self._path.parent
        try:
            make_directory(folder)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise HubStartError(
                f"The data directory {folder.parent} can't be used: {error.strerror}. "
                "Choose another or mend its permissions"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise HubStartError(
                f"Another Hub (process {holder}) uses {folder.parent}: end it, or give this one a directory of its own"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another Hub have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
