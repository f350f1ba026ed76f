"""Node.js on this machine, for JavaScript Sequences."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import shutil
import subprocess
from typing import NamedTuple

from transform_hub.hub.errors import ApiError

OLDEST = 18
"""The first major version that has all the runner uses."""


class Node(NamedTuple):
    """A Node.js: its program and its version, e.g. ``20.11.1``."""

    path: str
    version: str


async def find_node() -> Node | None:
    """The Node.js on PATH; None if there is none. It is asked for its version once.

    Raises:
        ApiError: it does not tell its version, or is too old.
    """
    path = shutil.which("node")
    if path is None:
        return None
    version = await asyncio.to_thread(_version, path, os.stat(path).st_mtime_ns)  # noqa: PTH116 - it was there just now
    if version is None:
        raise ApiError(400, f"{path} on this Hub is not a working Node.js: install Node.js {OLDEST} or later")
    if int(version.partition(".")[0]) < OLDEST:
        raise ApiError(400, f"This Hub has Node.js {version}: JavaScript Sequences need {OLDEST} or later")
    return Node(path, version)


@functools.lru_cache(maxsize=8)
def _version(path: str, _changed: int) -> str | None:
    try:
        command = [path, "--version"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603 - found on PATH
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    match = re.fullmatch(r"v(\d+\.\d+\.\d+).*", said.strip())
    return match[1] if match else None
