"""Where a runner process is started: a runtime places, starts, watches and ends it, and nothing else.

What goes over the link (streams, control) is the same for every runtime.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol


@dataclasses.dataclass
class Exit:
    """How a runner process ended: its exit code, or the signal that ended it; both None if nobody knows."""

    code: int | None = None
    signal: int | None = None


class Runtime(Protocol):
    """Starts runners."""

    async def start(self) -> None:
        """Get ready; runners may be launched at once."""

    async def launch(self, spec: dict[str, Any], on_exit: Callable[[Exit], None]) -> None:
        """Start a runner for the Instance that ``spec`` describes; ``on_exit`` is called once, when it has ended.

        Raises:
            OSError: no process could be started.
        """

    def kill(self, instance_id: str) -> None:
        """End a runner and all it has started, at once; nothing happens if it has ended."""

    async def close(self) -> None:
        """End all runners that are left."""
