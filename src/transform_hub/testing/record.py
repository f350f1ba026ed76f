"""What an Instance did, kept for the report of a failed test."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.instances.instance import Instance

KEPT = 16 * 1024
"""Bytes of each stream that are kept: the latest."""


class Tail:
    """The latest bytes of a channel, whether or not anybody reads them.

    Args:
        channel: what is in it already counts, too.
    """

    def __init__(self, channel: Channel) -> None:
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._feed = channel.feed
        for chunk in channel._chunks:  # noqa: SLF001 - it is of use to reports only
            self._keep(chunk)
        channel.feed = self._note  # type: ignore[method-assign]

    def text(self) -> str:
        """What is kept; marked if it is not all."""
        data = b"".join(list(self._kept))
        cut = "[...]\n" if self._size > len(data) else ""
        return cut + data.decode("utf-8", "replace")

    def _note(self, chunk: bytes) -> bool:
        self._keep(chunk)
        return self._feed(chunk)

    def _keep(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self._kept.append(chunk[-KEPT:])
        while sum(map(len, self._kept)) - len(self._kept[0]) >= KEPT:
            self._kept.popleft()


class Record:
    """What one Instance printed and logged, and how it is."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._printed = {name: Tail(instance.streams[name]) for name in ("stdout", "stderr")}
        self._log = Tail(instance.streams.log)

    @property
    def title(self) -> str:
        """Which Instance it is, and how it ended."""
        info = self._instance.info()
        name = info.sequence.config.name or info.sequence.id
        end = info.terminated
        state = f"ended with exit code {end.exitcode}: {end.reason}" if end else f"is {info.status}"
        return f"Sequence {name!r}: Instance {info.id} {state}"

    def report(self) -> str:
        """Its error, its stdout, stderr and log."""
        parts = {"error": self._instance.error or ""}
        parts |= {name: tail.text() for name, tail in self._printed.items()}
        parts["log"] = "\n".join(_entry(line) for line in self._log.text().splitlines())
        return "\n".join(f"{name}:\n{text.rstrip()}" for name, text in parts.items() if text.strip())


def _entry(line: str) -> str:
    try:
        entry: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return line
    return f"{entry.get('level', ''):5} {entry.get('msg', '')}"
