"""The seam to where runners are started: a runtime places, starts, watches and ends them, and nothing else.

What goes over the link (streams, control) is the same for every runtime. What a runtime can do beyond is a protocol of
its own, see :mod:`transform_hub.hub.reattach.fdstore`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Protocol

from transform_hub.hub.instances.limits import for_runner
from transform_hub.models import SequenceConfig


@dataclasses.dataclass(frozen=True)
class Exit:
    """How a runner ended: by its exit code or by a signal; neither if nobody knows.

    Attributes:
        out_of_memory: the system ended it because its Instance had reached its limit of memory.
        lost: the machine that it ran on is gone.
    """

    code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False
    lost: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaunchOrder:
    """One runner to start.

    Attributes:
        id: of its Instance.
        secret: what it proves itself with on the link.
        sequence: what it runs; ``sequence_dir`` is the directory on the Hub's machine.
        args, config: what the Sequence gets.
        limits: those of :class:`transform_hub.models.InstanceLimits` that it has, by name.
        env, secrets: by name, with their values.
        data_dir, cache_dir: where it may write on the Hub's machine.
        is_restart: whether it follows another of the same Instance, whose room it takes.
    """

    id: str
    secret: str = dataclasses.field(repr=False)
    sequence: SequenceConfig
    args: list[Any]
    config: dict[str, Any]
    limits: dict[str, Any]
    env: dict[str, str] = dataclasses.field(repr=False)
    secrets: dict[str, str] = dataclasses.field(repr=False)
    data_dir: Path
    cache_dir: Path
    is_restart: bool = False

    def spec(self, *, link: str, api: str, **of_node: str) -> dict[str, Any]:
        """What a runner reads when it starts, as JSON.

        Args:
            link: address where it dials the Hub, as seen from its machine.
            api: base of the Hub's API, as seen from its machine.
            of_node: what else is of its machine: ``dir`` of the Sequence, ``data_dir`` and ``cache_dir`` there,
                ``node`` for the path of Node.js.
        """
        return {
            "id": self.id,
            "secret": self.secret,
            "link": link,
            "hub": api,
            "dir": self.sequence.sequence_dir,
            "main": self.sequence.entrypoint_path,
            "args": self.args,
            "config": self.config,
            "limits": for_runner(self.limits),
            "env": self.env,
            "secrets": self.secrets,
            "data_dir": str(self.data_dir),
            "cache_dir": str(self.cache_dir),
            **of_node,
        }


class HubAddresses(Protocol):
    """Where runners on the Hub's own machine reach it.

    Attributes:
        link: what they dial, e.g. ``unix:/tmp/sth-1/link``.
        api: base of the API for their Sequences.
    """

    @property
    def link(self) -> str: ...

    @property
    def api(self) -> str: ...


class Runtime(Protocol):
    """Starts runners.

    Attributes:
        limits: names of the limits that it can hold an Instance to; known once it has started.
    """

    @property
    def limits(self) -> Collection[str]: ...

    async def start(self, hub: HubAddresses) -> None:
        """Get ready.

        Raises:
            HubStartError: it can't run here.
        """

    async def launch(self, order: LaunchOrder, on_exit: Callable[[Exit], None]) -> None:
        """Start a runner; ``on_exit`` is called once, when it has ended.

        Raises:
            NoRoomError: there is no room for it, now or for good.
            ApiError: it can't run the Sequence: it lacks its engine, say.
            OSError: no process could be started.
        """

    def kill(self, instance_id: str) -> None:
        """End a runner and all it has started, at once; nothing happens if it has ended."""

    async def close(self) -> None:
        """End all runners that are left."""
