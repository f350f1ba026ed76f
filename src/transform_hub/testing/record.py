"""What an Instance did, kept for the report of a failed test."""

from __future__ import annotations

from typing import Any

import msgspec

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.observers import InstanceObserver

KEPT = 16 * 1024
"""Bytes of each stream that are kept: the latest."""


class Record:
    """What one Instance printed and logged, and how it is."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._kept: dict[str, str] | None = None

    def keep(self) -> None:
        """Take what the streams have, which is about to go."""
        self._kept = self._texts()

    def is_of(self, instance: Instance) -> bool:
        """Whether it is that Instance's."""
        return self._instance is instance

    def _texts(self) -> dict[str, str]:
        streams = self._instance.streams
        return {"stdout": _tail(streams["stdout"]), "stderr": _tail(streams["stderr"]), "log": _tail(streams.log)}

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
        parts = {"error": self._instance.error or "", **(self._kept or self._texts())}
        parts["log"] = "\n".join(_entry(line) for line in parts["log"].splitlines())
        return "\n".join(f"{name}:\n{text.rstrip()}" for name, text in parts.items() if text.strip())


class Records(InstanceObserver, list[Record]):
    """The records of all Instances that a Hub has started."""

    def started(self, instance: Instance, seconds: float | None) -> None:
        self.append(Record(instance))

    def gone(self, instance: Instance) -> None:
        for record in self:
            if record.is_of(instance):
                record.keep()


def _tail(channel: Channel) -> str:
    """The latest that a stream has carried; marked if it is not all."""
    data = channel.tail(KEPT)
    return ("[...]\n" if channel.written > len(data) else "") + data.decode("utf-8", "replace")


def _entry(line: str) -> str:
    try:
        entry: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return line
    return f"{entry.get('level', ''):5} {entry.get('msg', '')}"
