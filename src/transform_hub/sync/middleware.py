"""The Middleware of the Scramjet Cloud Platform: the Spaces of a user, seen from outside.

Made by tools/make_sync of transform_hub.client.middleware: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transform_hub.client import middleware as native
from transform_hub.models import AccessKey, KeysRevoked, SpaceInfo
from transform_hub.sync.api import ApiClient
from transform_hub.sync.mirror import mirror

if TYPE_CHECKING:
    from transform_hub.sync.manager import ManagerClient
    from transform_hub.sync.reader import Reader


class MiddlewareClient(ApiClient, of=native.MiddlewareClient):
    """Talks to the platform; the arguments are those of :class:`HostClient`.

    A Space is a Manager and its Hubs. The clients of them use the connections, token and deadlines of this one.

    Example:
        >>> with MiddlewareClient("https://api.scramjet.cloud/api/v1", token=token) as platform:
        ...     for space in platform.list_spaces():
        ...         print(space.id, platform.manager(space.id).list_hosts())
    """

    _async: native.MiddlewareClient

    def manager(self, space_id: str) -> ManagerClient:
        """The client of a Space's Manager: ``/space/:id/api/v1``; nothing is asked of the platform."""
        return mirror(self._async.manager(space_id))

    def list_spaces(self) -> list[SpaceInfo]:
        """List the Spaces that the token gives access to: ``GET /spaces``."""
        return self._run(self._async.list_spaces)

    def get_version(self) -> dict[str, Any]:
        """Ask for the versions of the platform's parts, as it names them: ``GET /version``."""
        return self._run(self._async.get_version)

    def get_audit(self) -> Reader:
        """Read what is done with all Spaces of the user, with ``.json()``: ``GET /audit``."""
        return mirror(self._async.get_audit())

    def list_access_keys(self, space_id: str) -> list[AccessKey]:
        """List the keys with which Hubs may connect to a Space, without the keys: ``GET /space/:id/apikey``."""
        return self._run(self._async.list_access_keys, space_id)

    def create_access_key(self, space_id: str, description: str | None = None) -> dict[str, Any]:
        """Make a key with which Hubs may connect to a Space: ``POST /space/:id/apikey``.

        Returns:
            What the platform tells of it. The key is in it, and can't be asked for again.
        """
        return self._run(self._async.create_access_key, space_id, description)

    def revoke_access_key(self, space_id: str, key_id: str) -> KeysRevoked:
        """Make a key invalid: ``DELETE /space/:id/apikey``."""
        return self._run(self._async.revoke_access_key, space_id, key_id)

    def revoke_all_access_keys(self, space_id: str) -> KeysRevoked:
        """Make all keys of a Space invalid and disconnect the Hubs that have them: ``DELETE /space/:id/apikey``."""
        return self._run(self._async.revoke_all_access_keys, space_id)
