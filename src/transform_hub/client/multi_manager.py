"""The client of a MultiManager, which runs Managers."""

from __future__ import annotations

from typing import Any

from transform_hub.client.address import API_BASE, segment
from transform_hub.client.logged import LoggedClient
from transform_hub.client.manager import ManagerClient
from transform_hub.errors import NotFoundError
from transform_hub.models import LoadCheck, ManagerInfo, MultiManagerInfo, ServiceHealth, Version


class MultiManagerClient(LoggedClient):
    """A MultiManager; the arguments are those of :class:`HostClient`.

    The clients of its Managers, and of their Hubs, share its connections, token and timeouts.

    Example:
        >>> async with MultiManagerClient("http://127.0.0.1:11000/api/v1") as multi_manager:
        ...     manager = await multi_manager.start_manager({"id": "mine"})
        ...     print(await manager.list_hosts())
    """

    _server = "MultiManager"

    def manager(self, manager_id: str) -> ManagerClient:
        """The client of a Manager: ``/cpm/:id/api/v1``; no request is sent."""
        return ManagerClient.over(self.transport.below(_manager_path(manager_id) + API_BASE))

    async def get_version(self) -> Version:
        """Ask which API is served: ``GET /version``."""
        return await self._call("GET", "/version", Version)

    async def get_info(self) -> MultiManagerInfo:
        """Ask for id, API and number of Managers: ``GET /info``."""
        return await self._call("GET", "/info", MultiManagerInfo)

    async def get_health(self) -> ServiceHealth:
        """Ask for the health of its parts: ``GET /health``."""
        return await self._call("GET", "/health", ServiceHealth)

    async def get_load_check(self) -> LoadCheck:
        """Ask for load, memory and disks: ``GET /load-check``, or ``GET /load`` if it has only that."""
        try:
            return await self._call("GET", "/load-check", LoadCheck)
        except NotFoundError:
            return await self._call("GET", "/load", LoadCheck)

    async def list_managers(self) -> list[ManagerInfo]:
        """List the Managers: ``GET /list``."""
        return await self._call("GET", "/list", list[ManagerInfo])

    async def start_manager(self, config: dict[str, Any] | None = None) -> ManagerClient:
        """Start a Manager: ``POST /start``.

        Args:
            config: settings as a Manager names them, e.g. ``{"id": "mine"}``; the rest has defaults.

        Returns:
            Its client.

        Raises:
            ConflictError: the id is taken.
            OverloadedError: there is no room for it now.
        """
        started = await self._call("POST", "/start", ManagerInfo, body={"manager": config or {}})
        return self.manager(started.id)

    async def stop_manager(self, manager_id: str) -> None:
        """Stop a Manager; its Hubs keep running: ``POST /cpm/:id/stop``.

        Raises:
            NotFoundError: there is no such Manager, or the MultiManager is too old for this.
        """
        await self._call("POST", f"{_manager_path(manager_id)}/stop", Any)


def _manager_path(manager_id: str) -> str:
    return f"/cpm/{segment(manager_id, 'a Manager id')}"
