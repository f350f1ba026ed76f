"""A MultiManager, which runs Managers, seen from outside.

Made by tools/make_sync of transform_hub.client.multi_manager: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transform_hub.client import multi_manager as native
from transform_hub.models import LoadCheck, ManagerInfo, MultiManagerInfo, ServiceHealth, Version
from transform_hub.sync.logged import LoggedClient
from transform_hub.sync.mirror import mirror

if TYPE_CHECKING:
    from transform_hub.sync.manager import ManagerClient


class MultiManagerClient(LoggedClient, of=native.MultiManagerClient):
    """Talks to a MultiManager; the arguments are those of :class:`HostClient`.

    The clients of its Managers, and of their Hubs, use its connections, token and deadlines.

    Example:
        >>> with MultiManagerClient("http://127.0.0.1:11000/api/v1") as multi_manager:
        ...     manager = multi_manager.start_manager({"id": "mine"})
        ...     print(manager.list_hosts())
    """

    _async: native.MultiManagerClient

    def manager(self, manager_id: str) -> ManagerClient:
        """The client of a Manager: ``/cpm/:id/api/v1``; nothing is asked of the MultiManager."""
        return mirror(self._async.manager(manager_id))

    def get_version(self) -> Version:
        """Ask which API is served: ``GET /version``."""
        return self._run(self._async.get_version)

    def get_info(self) -> MultiManagerInfo:
        """Ask for id, API and number of Managers: ``GET /info``."""
        return self._run(self._async.get_info)

    def get_health(self) -> ServiceHealth:
        """Ask what works: ``GET /health``."""
        return self._run(self._async.get_health)

    def get_load_check(self) -> LoadCheck:
        """Ask for load, memory and disks: ``GET /load-check``, or ``GET /load`` where there is only that."""
        return self._run(self._async.get_load_check)

    def list_managers(self) -> list[ManagerInfo]:
        """List the Managers: ``GET /list``."""
        return self._run(self._async.list_managers)

    def start_manager(self, config: dict[str, Any] | None = None) -> ManagerClient:
        """Start a Manager: ``POST /start``.

        Args:
            config: settings as a Manager names them, e.g. ``{"id": "mine"}``; what is left out has defaults.

        Returns:
            Its client.

        Raises:
            ConflictError: the id is taken.
            OverloadedError: there is no room for it now.
        """
        return mirror(self._run(self._async.start_manager, config))

    def stop_manager(self, manager_id: str) -> None:
        """Stop a Manager; its Hubs go on by themselves: ``POST /cpm/:id/stop``.

        Raises:
            NotFoundError: there is none with this id, or the MultiManager is too old for this.
        """
        self._run(self._async.stop_manager, manager_id)
