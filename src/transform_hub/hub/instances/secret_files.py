"""The Hub's own secret files, which a start names: ``{"DB_PASSWORD": {"file": "db"}}``.

They are read for each run, so that a restart gets what has been changed, and are never written anywhere. Names lead
to files in the directory, also through links within it, as those of secrets that Kubernetes mounts.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from transform_hub.errors import HubStartError
from transform_hub.hub.errors import ApiError
from transform_hub.models import SecretFile

log = logging.getLogger(__name__)

MAX_FILE = 1024 * 1024
"""Bytes of a file."""


class SecretFiles:
    """The files of a directory.

    Args:
        folder: None if there is none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder.absolute()

    def check(self) -> None:
        """See that they can be read; warn of those that others can read as well.

        Raises:
            HubStartError: there is no such directory, or it can't be read.
        """
        if self._folder is None:
            return
        try:
            files = [each for each in self._folder.iterdir() if each.is_file()]
            is_open = self._folder.stat().st_mode & stat.S_IXOTH
        except OSError as error:
            raise HubStartError(f"The secrets directory {self._folder} can't be read: {error.strerror}") from None
        if is_open and any(each.stat().st_mode & stat.S_IROTH for each in files):
            log.warning("Other users of this machine can read the secrets in %s: chmod 700 it", self._folder)

    def read(self, secret: SecretFile) -> str:
        """The text of a file, without the line break at its end.

        Raises:
            ApiError: there is no such file, or it is none that can be a secret. The message has no path of this
                machine.
        """
        problem = f"The secret file {secret.file!r}"
        if self._folder is None:
            raise ApiError(400, f"{problem} can't be read: this Hub has no --secrets-dir")
        if secret.file in ("", ".", "..") or {"/", "\0"} & {*secret.file}:
            raise ApiError(400, f"{problem} must be the name of a file in the secrets directory")
        path = self._folder / secret.file
        # Not Path.resolve(), which has errors of its own for links that lead round.
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self._folder)):
            raise ApiError(400, f"{problem} leads out of the secrets directory")
        try:
            data = _content(path)
        except OSError as error:
            raise ApiError(400, f"{problem} can't be read: {error.strerror}") from None
        if data is None:
            raise ApiError(400, f"{problem} is not a file of at most {MAX_FILE} bytes")
        try:
            return data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise ApiError(400, f"{problem} is not text in UTF-8") from None


def _content(path: Path) -> bytes | None:
    """What is in a file; None if it is too much, or no file. A pipe is not waited for."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        return file.read() if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE else None
