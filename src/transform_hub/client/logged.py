"""Reading log and audit: the same for Hub, Manager and MultiManager."""

from __future__ import annotations

from typing import Any, Literal, overload

from transform_hub.client.api import ApiClient
from transform_hub.client.follower import Follower
from transform_hub.client.reader import Reader
from transform_hub.client.reading import reading
from transform_hub.client.replay import Replay
from transform_hub.client.transport import Deadline


class LoggedClient(ApiClient):
    """Base of the clients whose server has a log."""

    @overload
    def get_log(self, *, follow: Literal[False] = ..., idle_timeout: Deadline = ...) -> Reader: ...
    @overload
    def get_log(
        self, *, follow: Literal[True], reconnect_timeout: float | None = ..., idle_timeout: Deadline = ...
    ) -> Follower: ...

    def get_log(
        self,
        *,
        follow: bool = False,
        reconnect_timeout: float | None = None,
        idle_timeout: Deadline = "default",
    ) -> Reader | Follower:
        """Read the log, past and future: ``GET /log``.

        A Hub's log has one JSON object per line. In a Manager's, a line of a Hub begins with the Hub's id and a colon.

        Args:
            follow: reconnect when the connection is lost or the server is restarted, and skip what was seen before. If
                the log does not resume at the very line, there is a :class:`Gap`.
            reconnect_timeout: seconds for reconnecting; None is no limit.
            idle_timeout: seconds of silence that are allowed; None is no limit, ``default`` the client's setting.

        Returns:
            The reader, which raises StreamError if it breaks off; with ``follow`` only StreamTimeoutError.
        """
        options: dict[str, Any] = {"reconnect_timeout": reconnect_timeout, "idle_timeout": idle_timeout}
        return reading(self.transport, "/log", follow=follow, cursor=Replay(), is_over=_never, **options)

    def get_audit(self, *, idle_timeout: Deadline = "default") -> Reader:
        """Read who did what, one :class:`AuditRecord` per line: ``GET /audit``.

        In a MultiManager's, ``mId`` names the Manager; in a Manager's, ``host`` the Hub.

        Args:
            idle_timeout: seconds of silence that are allowed; None is no limit, ``default`` the client's setting.

        Returns:
            The reader, which raises StreamError if it breaks off.
        """
        return Reader(self.transport, "/audit", idle_timeout=idle_timeout)


async def _never() -> bool:
    return False  # the log continues when its server is back
