"""Where a runner process is started: a runtime places, starts, watches and ends it, and nothing else.

What goes over the link (streams, control) is the same for every runtime.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


@dataclasses.dataclass
class Exit:
    """How a runner process ended: its exit code, or the signal that ended it; both None if nobody knows.

    Attributes:
        out_of_memory: whether the system ended it because its Instance had reached its limit of memory.
    """

    code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False


class Survivor(NamedTuple):
    """An Instance whose runner has outlived the Hub that started it.

    Attributes:
        channels: descriptors of the Hub's ends of its channels.
    """

    id: str
    channels: dict[str, int]


class Runtime(Protocol):
    """Starts runners.

    Attributes:
        has_groups: whether limits hold for all processes of an Instance together, and their number can be limited;
            known once it has started.
    """

    has_groups: bool

    async def start(self) -> None:
        """Get ready; runners may be launched at once."""

    async def launch(self, spec: dict[str, Any], on_exit: Callable[[Exit], None]) -> None:
        """Start a runner for the Instance that ``spec`` describes; ``on_exit`` is called once, when it has ended.

        Raises:
            OSError: no process could be started.
        """

    async def survivors(self) -> list[Survivor]:
        """What has outlived an earlier Hub; all of it is to be watched or released."""

    def watch(self, instance_id: str, on_exit: Callable[[Exit], None]) -> None:
        """Have the end of a survivor told, as :meth:`launch` does; at once if it has ended already."""

    def hold(self, instance_id: str, sockets: dict[str, int]) -> None:
        """Let an Instance outlive this Hub, with the descriptors of its channels, if that is possible."""

    def keep(self, name: str, descriptor: int) -> None:
        """Let a topic outlive this Hub, with the descriptor of its memory, if that is possible."""

    def unkeep(self, name: str) -> None:
        """A topic is not to outlive this Hub."""

    def release(self, instance_id: str) -> None:
        """Nothing of an Instance is to outlive this Hub."""

    def kill(self, instance_id: str) -> None:
        """End a runner and all it has started, at once; nothing happens if it has ended."""

    async def close(self) -> None:
        """End all runners that are left."""
