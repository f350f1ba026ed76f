"""Streams that go on when their connection is lost, and say so where something may be missing.

following ──connection lost, or the Hub went away──> waiting ──answer──> catching up ──> Gap or nothing, following
    │  ▲                                                │ no answer          │ lost again
    │  │                                                └──> waiting, longer each time
    └──ended, and nothing more is to come──> end

Catching up is finding out whether the stream goes on where it was lost, see place.py: then there is no Gap.

Made by tools/make_sync of transform_hub.client.follower: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from transform_hub.client import follower as native
from transform_hub.client.readable import Gap
from transform_hub.sync.readable import Readable

if TYPE_CHECKING:
    from typing_extensions import Self


class Follower(Readable[Gap], of=native.Follower):
    """A stream that is followed over lost connections and restarts of the Hub.

    Where something may be missing its iterators give a :class:`Gap` among the lines, values or chunks. With an
    ``idle_timeout`` a connection that is silent for so long counts as lost.

    Attributes:
        received: bytes that have come, over all connections.

    Example:
        >>> for entry in host.get_log(follow=True).json(LogEntry):
        ...     if isinstance(entry, Gap):
        ...         print("something may be missing here:", entry)
        ...     else:
        ...         print(entry.level, entry.msg)
    """

    _async: native.Follower

    @property
    def received(self) -> int:
        return self._async.received

    def open(self) -> Self:
        """Open it now, so that an error such as 404 is raised here."""
        self._run(self._async.__aenter__)
        return self

    def __enter__(self) -> Self:
        self._run(self._async.__aenter__)
        return self

    def close(self) -> None:
        """Close the stream and its connection; does nothing if it is closed."""
        self._leave(self._async.close)
