"""The memory of a shell session, so that ``-`` names the last Sequence, Instance, ...

The file is that of STH's ``si``: ``<tmp>/.si-tmp/<session id of the process>/session-config.json``.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from transform_hub.cli.exits import USAGE, CommandError

KINDS = {
    "package": ("lastPackagePath", "pack one with `si sequence pack`"),
    "sequence": ("lastSequenceId", "send one, or name one with `si sequence use`"),
    "instance": ("lastInstanceId", "start one, or name one with `si instance use`"),
    "space": ("lastSpaceId", "name one with `si space use`"),
    "hub": ("lastHubId", "name one with `si hub use`"),
}


def last(kind: str) -> str:
    """What ``-`` stands for.

    Args:
        kind: one of ``package sequence instance space hub``.

    Raises:
        CommandError: there is none in this session.
    """
    if found := remembered(kind):
        return found
    raise CommandError(f"there is no last {kind} in this session: {KINDS[kind][1]}", code=USAGE)


def remembered(kind: str) -> str:
    """The last id of a kind; empty if there is none."""
    value = _read().get(KINDS[kind][0])
    return value if isinstance(value, str) else ""


def remember(kind: str, value: str) -> None:
    """Let ``-`` stand for this from now on."""
    _write({**_read(), KINDS[kind][0]: value})


def forget(kind: str, value: str) -> None:
    """If ``-`` stands for this, let it stand for nothing."""
    if remembered(kind) == value:
        remember(kind, "")


def _file() -> Path:
    return Path(tempfile.gettempdir(), ".si-tmp", str(os.getsid(0)), "session-config.json")


def _read() -> dict[str, Any]:
    try:
        with _file().open(encoding="utf-8") as file:
            value = json.load(file) if os.fstat(file.fileno()).st_uid == os.getuid() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    # Process ids are reused: a file of an earlier session with this id is not ours.
    if not isinstance(value, dict) or value.get("sessionStarted", _started()) != _started():
        return {}
    return value


def _write(value: dict[str, Any]) -> None:
    file = _file()
    # A session without a memory is better than a command that fails after it has done its work.
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps({**value, "sessionId": str(os.getsid(0)), "sessionStarted": _started()}))
        part.replace(file)


def _started() -> str:
    """When the session's first process started; empty if the system doesn't tell."""
    try:
        return Path(f"/proc/{os.getsid(0)}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
