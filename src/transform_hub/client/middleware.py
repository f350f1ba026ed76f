"""The client of the Middleware of Scramjet Cloud Platform: the Spaces of a user."""

from __future__ import annotations

from typing import Any

from transform_hub.client.address import API_BASE, segment
from transform_hub.client.api import ApiClient
from transform_hub.client.manager import ManagerClient
from transform_hub.client.reader import Reader
from transform_hub.models import AccessKey, AccessKeys, KeysRevoked, SpaceInfo


class MiddlewareClient(ApiClient):
    """The platform; the arguments are those of :class:`HostClient`.

    A Space is a Manager and its Hubs. Their clients share connections, token and timeouts of this one.

    Example:
        >>> async with MiddlewareClient("https://api.scramjet.cloud/api/v1", token=token) as platform:
        ...     for space in await platform.list_spaces():
        ...         print(space.id, await platform.manager(space.id).list_hosts())
    """

    _server = "platform"

    def manager(self, space_id: str) -> ManagerClient:
        """The client of a Space's Manager: ``/space/:id/api/v1``; no request is sent."""
        return ManagerClient.over(self.transport.below(_space_path(space_id) + API_BASE))

    async def list_spaces(self) -> list[SpaceInfo]:
        """List the Spaces that the token gives access to: ``GET /spaces``."""
        return await self._call("GET", "/spaces", list[SpaceInfo])

    async def get_version(self) -> dict[str, Any]:
        """Ask for the versions of the platform's parts, as it names them: ``GET /version``."""
        return await self._call("GET", "/version", dict[str, Any])

    def get_audit(self) -> Reader:
        """Read the audit log of all Spaces of the user, with ``.json()``: ``GET /audit``."""
        return Reader(self.transport, "/audit")

    async def list_access_keys(self, space_id: str) -> list[AccessKey]:
        """List the access keys of a Space, without the keys themselves: ``GET /space/:id/apikey``."""
        answer = await self._call("GET", _keys_path(space_id), AccessKeys)
        return answer.access_keys

    async def create_access_key(self, space_id: str, description: str | None = None) -> dict[str, Any]:
        """Create an access key, with which Hubs connect to a Space: ``POST /space/:id/apikey``.

        Returns:
            The answer of the platform. It has the key, which can't be asked for again.
        """
        body = {} if description is None else {"description": description}
        return await self._call("POST", _keys_path(space_id), dict[str, Any], body=body)

    async def revoke_access_key(self, space_id: str, key_id: str) -> KeysRevoked:
        """Revoke an access key: ``DELETE /space/:id/apikey``."""
        return await self._call("DELETE", _keys_path(space_id), KeysRevoked, headers={"x-revoke": key_id})

    async def revoke_all_access_keys(self, space_id: str) -> KeysRevoked:
        """Revoke all keys of a Space and disconnect the Hubs that use them: ``DELETE /space/:id/apikey``."""
        return await self._call("DELETE", _keys_path(space_id), KeysRevoked, headers={"x-revoke-all": "true"})


def _space_path(space_id: str) -> str:
    return f"/space/{segment(space_id, 'a Space id')}"


def _keys_path(space_id: str) -> str:
    return f"{_space_path(space_id)}/apikey"
