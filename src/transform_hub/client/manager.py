"""The client of a Manager, which coordinates many Hubs."""

from __future__ import annotations

from typing import Any

from transform_hub.client.address import API_BASE, segment
from transform_hub.client.body import Progress, Sendable
from transform_hub.client.delivery import deliver
from transform_hub.client.host import HostClient
from transform_hub.client.logged import LoggedClient
from transform_hub.client.pages import Pages
from transform_hub.client.reader import Reader
from transform_hub.client.topic import NamedStream
from transform_hub.models import (
    HubInfo,
    HubsDisconnected,
    LoadCheck,
    SequenceInfo,
    ServiceHealth,
    SpaceEntities,
    SpaceInstance,
    SpaceTopic,
    StoreItem,
    Version,
)
from transform_hub.models.rules import NDJSON


class ManagerClient(LoggedClient):
    """A Manager of many Hubs; the arguments are those of :class:`HostClient`.

    ``host(id)`` is the client of a Hub, which shares connections, token and timeouts.

    Example:
        >>> async with ManagerClient("https://api.example.org/space/my-space/api/v1", token=token) as manager:
        ...     async for hub in manager.list_hosts():
        ...         print(hub.id, await manager.host(hub.id).list_instances())
    """

    _server = "Manager"

    def host(self, hub_id: str) -> HostClient:
        """The complete client of a Hub: ``/sth/:id/api/v1``; no request is sent.

        A call raises NotFoundError if the Manager does not know the Hub, and OverloadedError if it has lost it.
        """
        return HostClient.over(self.transport.below(_hub_path(hub_id) + API_BASE))

    def topic(self, name: str, content_type: str = NDJSON) -> NamedStream:
        """The client of a topic that the Manager carries between its Hubs: ``/topic/:name``.

        A reader gets nothing that was sent before. Such a topic exists while a Hub or a client uses it.
        """
        return NamedStream(name, self, content_type)

    async def get_version(self) -> Version:
        """Ask which API the Manager serves: ``GET /version``."""
        return await self._call("GET", "/version", Version)

    async def get_config(self) -> dict[str, Any]:
        """Ask for the Manager's configuration: ``GET /config``."""
        answer = await self._call("GET", "/config", dict[str, Any])
        config = answer.get("config", answer)
        return config if isinstance(config, dict) else answer

    async def get_health(self) -> ServiceHealth:
        """Ask for the health of its parts: ``GET /health``."""
        return await self._call("GET", "/health", ServiceHealth)

    async def get_load(self) -> LoadCheck:
        """Ask for load, memory and disks of the Manager's machine: ``GET /load``."""
        return await self._call("GET", "/load", LoadCheck)

    def get_load_stream(self) -> Reader:
        """Read the load of the Manager's machine as it changes, with ``.json(LoadCheck)``: ``GET /load-stream``."""
        return Reader(self.transport, "/load-stream")

    def list_hosts(self, *, offset: int = 0, limit: int | None = None) -> Pages[HubInfo]:
        """List the Hubs, including disconnected ones until they are deleted: ``GET /list``."""
        return Pages(self.transport, "/list", HubInfo, offset=offset, limit=limit)

    async def get_host_info(self, hub_id: str) -> HubInfo:
        """Get a Hub: ``GET /sth/:id/info``.

        Raises:
            NotFoundError: there is no such Hub.
        """
        return await self._call("GET", f"{_hub_path(hub_id)}/info", HubInfo)

    async def list_sequences(self) -> list[str]:
        """List the ids of the Sequences on all Hubs, once for each Hub that has it: ``GET /sequences``."""
        found: list[str | SequenceInfo] = await self._call("GET", "/sequences", list[str | SequenceInfo])
        return [each if isinstance(each, str) else each.id for each in found]

    def list_all_sequences(self, *, offset: int = 0, limit: int | None = None) -> Pages[SequenceInfo]:
        """List the Sequences in the store and on all Hubs: ``GET /all_sequences``.

        ``location`` is the id of the Hub, or ``store``.
        """
        return Pages(self.transport, "/all_sequences", SequenceInfo, offset=offset, limit=limit)

    def list_instances(self, *, offset: int = 0, limit: int | None = None) -> Pages[SpaceInstance]:
        """List the Instances on all Hubs: ``GET /instances``."""
        return Pages(self.transport, "/instances", SpaceInstance, offset=offset, limit=limit)

    async def list_entities(self) -> SpaceEntities:
        """List the ids of everything, of at most 100 Sequences and Instances: ``GET /entities``."""
        return await self._call("GET", "/entities", SpaceEntities)

    async def list_topics(self) -> list[SpaceTopic]:
        """List the topics and their users: ``GET /topics``."""
        return await self._call("GET", "/topics", list[SpaceTopic])

    async def list_store_items(self) -> list[StoreItem]:
        """List the packages in the store: ``GET /s3``.

        A Hub that should start a Sequence it does not have gets it from there.

        Raises:
            NotFoundError: the Manager has no store.
        """
        return await self._call("GET", "/s3", list[StoreItem])

    async def put_store_item(
        self, source: str | Sendable, *, name: str | None = None, progress: Progress | None = None
    ) -> StoreItem:
        """Put a package into the store: ``PUT /s3/:file``.

        Args:
            source: path of a directory, which is packed, or of a tar.gz; or the tar.gz itself, as anything that
                can be sent.
            name: of the file in the store; by default its id.
            progress: called after each piece with the bytes so far, and the total.

        Returns:
            The package, with its new id.

        Raises:
            PackageError: there is nothing at the path, or it can't be packed.
            UnprocessableError: it is not a Sequence.
            OverloadedError: the store is full.
        """
        path = "/s3" if name is None else _store_path(name)
        return await deliver(self.transport, "PUT", path, source, StoreItem, progress=progress)

    def get_store_item(self, name: str) -> Reader:
        """Read a package in the store, as tar.gz: ``GET /s3/:file``.

        Args:
            name: of the file, ``filename`` in the list of the store.
        """
        return Reader(self.transport, _store_path(name))

    async def delete_store_item(self, name: str) -> None:
        """Delete a package from the store: ``DELETE /s3/:file``.

        Raises:
            NotFoundError: there is no such file.
        """
        await self._call("DELETE", _store_path(name), Any)

    async def clear_store(self) -> None:
        """Delete all packages from the store: ``DELETE /store``."""
        await self._call("DELETE", "/store", Any)

    async def disconnect_hubs(
        self, *, id: str | None = None, access_key: str | None = None, limit: int | None = None
    ) -> HubsDisconnected:
        """Disconnect Hubs that connected with an access key, for good: ``POST /disconnect``.

        They stay in the list until they are deleted. The arguments add up.

        Args:
            id: of one Hub.
            access_key: disconnect all that connected with this key.
            limit: how many may stay; 0 disconnects all.

        Returns:
            The Hubs that are being disconnected.

        Raises:
            NotFoundError: there is no such Hub, or none with this key.
            BadRequestError: the Hub connected without an access key.
            ValueError: there is no argument, or limit is negative.
        """
        choice = {"id": id, "accessKey": access_key, "limit": limit}
        choice = {name: value for name, value in choice.items() if value is not None}
        if not choice:
            raise ValueError("name the Hubs by id, access_key or limit; limit=0 means all")
        if limit is not None and limit < 0:
            raise ValueError(f"limit must be 0 or more, not {limit}")
        return await self._call("POST", "/disconnect", HubsDisconnected, body=choice)

    async def delete_hub(self, hub_id: str, *, force: bool = False) -> None:
        """Delete a Hub that connected with an access key: ``DELETE /sth/:id``.

        Args:
            hub_id: its id.
            force: disconnect it first; this takes about a second.

        Raises:
            NotFoundError: there is no such Hub.
            ConflictError: it is connected.
            BadRequestError: it connected without an access key.
        """
        headers = {"x-force": "true" if force else "false"}
        await self._call("DELETE", _hub_path(hub_id), Any, headers=headers)


def _hub_path(hub_id: str) -> str:
    return f"/sth/{segment(hub_id, 'a Hub id')}"


def _store_path(name: str) -> str:
    return f"/s3/{segment(name, 'a name in the store')}"
