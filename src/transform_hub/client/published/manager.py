"""The published clients of Manager, MultiManager and Middleware."""

from __future__ import annotations

from typing import Any

from transform_hub.client.address import API_BASE, segment
from transform_hub.client.pages import Pages
from transform_hub.client.published.base import BaseClient, JsonDict, NamedData
from transform_hub.client.published.host import HostClient


class ManagerClient(NamedData):
    """A Manager."""

    def get_host_client(self, id: str, host_api_base: str = API_BASE) -> HostClient:
        """The client of a Hub, ``/sth/:id/api/v1``; can be awaited."""
        return HostClient.over(self.native.transport.below(f"/sth/{segment(id, 'a Hub id')}{host_api_base}"))

    async def list_hosts(self) -> list[JsonDict]:
        """``GET /list``."""
        return await Pages(self.native.transport, "/list", JsonDict)

    async def get_hosts(self) -> list[JsonDict]:
        """What the examples call :meth:`list_hosts`."""
        return await self.list_hosts()

    async def list_sequences(self) -> list[Any]:
        """``GET /sequences``: ids, or dicts, as the Manager tells."""
        sequences: list[Any] = await self._get("/sequences")
        return sequences

    async def list_instances(self) -> list[JsonDict]:
        """``GET /instances``."""
        return await Pages(self.native.transport, "/instances", JsonDict)

    async def get_load_check(self) -> JsonDict:
        """``GET /load``, as a Manager calls it."""
        load: JsonDict = await self._get("/load")
        return load


class MultiManagerClient(BaseClient):
    """A MultiManager."""

    def get_manager_client(self, id: str, manager_api_base: str = API_BASE) -> ManagerClient:
        """The client of a Manager, ``/cpm/:id/api/v1``; can be awaited."""
        path = f"/cpm/{segment(id, 'a Manager id')}{manager_api_base}"
        return ManagerClient.over(self.native.transport.below(path))

    async def start_manager(self, config: JsonDict, manager_api_base: str = API_BASE) -> ManagerClient:
        """``POST /start``.

        Args:
            config: of the Manager, e.g. ``{"id": "mine"}``, or that as ``{"manager": {"id": "mine"}}``.
            manager_api_base: where its API is, below its own path.
        """
        body = config if set(config) == {"manager"} else {"manager": config}
        started: JsonDict = await self.native.transport.call("POST", "/start", dict[str, Any], body=body)
        return self.get_manager_client(started["id"], manager_api_base)

    async def get_managers(self) -> list[JsonDict]:
        """``GET /list``."""
        managers: list[JsonDict] = await self._get("/list")
        return managers

    async def list_managers(self) -> list[JsonDict]:
        """The same as :meth:`get_managers`."""
        return await self.get_managers()


class MiddlewareClient(BaseClient):
    """The Middleware."""

    def get_manager_client(self, id: str, manager_api_base: str = API_BASE) -> ManagerClient:
        """The client of a Space's Manager, ``/space/:id/api/v1``; can be awaited."""
        path = f"/space/{segment(id, 'a Space id')}{manager_api_base}"
        return ManagerClient.over(self.native.transport.below(path))

    async def list_managers(self) -> list[JsonDict]:
        """``GET /spaces``."""
        managers: list[JsonDict] = await self._get("/spaces")
        return managers

    async def get_managers(self) -> list[JsonDict]:
        """What the examples call :meth:`list_managers`."""
        return await self.list_managers()
