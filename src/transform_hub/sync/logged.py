"""What the clients of servers with a log have in common: Hub, Manager and MultiManager.

Made by tools/make_sync of transform_hub.client.logged: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from transform_hub.client import logged as native
from transform_hub.client.transport import Deadline
from transform_hub.sync.api import ApiClient
from transform_hub.sync.mirror import mirror

if TYPE_CHECKING:
    from transform_hub.sync.follower import Follower
    from transform_hub.sync.reader import Reader


class LoggedClient(ApiClient, of=native.LoggedClient):
    """Talks to an API that tells what happens behind it."""

    _async: native.LoggedClient

    @overload
    def get_log(self, *, follow: Literal[False] = ..., idle_timeout: Deadline = ...) -> Reader: ...

    @overload
    def get_log(
        self, *, follow: Literal[True], reconnect_timeout: float | None = ..., idle_timeout: Deadline = ...
    ) -> Follower: ...

    def get_log(
        self, *, follow: bool = False, reconnect_timeout: float | None = None, idle_timeout: Deadline = "default"
    ) -> Reader | Follower:
        """Read the log, past and future: ``GET /log``.

        A Hub's has one JSON object a line. In a Manager's, a line of a Hub begins with the Hub's id and a colon.

        Args:
            follow: connect again when the connection is lost or the server is restarted; what was given before is
                left out, and if the log does not go on with the very next line there is a :class:`Gap`.
            reconnect_timeout: seconds that may take; None is no limit.
            idle_timeout: seconds that it may be silent; None is no limit, ``default`` the client's.

        Returns:
            The reader, which raises StreamError if it breaks off; with ``follow`` only StreamTimeoutError.
        """
        native: Any = self._async
        return mirror(native.get_log(follow=follow, reconnect_timeout=reconnect_timeout, idle_timeout=idle_timeout))

    def get_audit(self, *, idle_timeout: Deadline = "default") -> Reader:
        """Read who did what, one :class:`AuditRecord` a line: ``GET /audit``.

        In a MultiManager's, ``mId`` names the Manager; in a Manager's, ``host`` the Hub.

        Args:
            idle_timeout: seconds that it may be silent; None is no limit, ``default`` the client's.

        Returns:
            The reader, which raises StreamError if it breaks off.
        """
        return mirror(self._async.get_audit(idle_timeout=idle_timeout))
