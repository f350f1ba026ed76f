"""A Manager, which coordinates many Hubs, seen from outside.

Made by tools/make_sync of transform_hub.client.manager: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transform_hub.client import manager as native
from transform_hub.client.body import NDJSON, Progress, Sendable
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
from transform_hub.sync.handover import progress_of, sendable
from transform_hub.sync.logged import LoggedClient
from transform_hub.sync.mirror import mirror

if TYPE_CHECKING:
    from transform_hub.sync.host import HostClient
    from transform_hub.sync.pages import Pages
    from transform_hub.sync.reader import Reader
    from transform_hub.sync.topic import NamedStream


class ManagerClient(LoggedClient, of=native.ManagerClient):
    """Talks to a Manager; the arguments are those of :class:`HostClient`.

    The clients of its Hubs, had with ``host(id)``, use its connections, token and deadlines.

    Example:
        >>> with ManagerClient("https://api.example.org/space/my-space/api/v1", token=token) as manager:
        ...     for hub in manager.list_hosts():
        ...         print(hub.id, manager.host(hub.id).list_instances())
    """

    _async: native.ManagerClient

    def host(self, hub_id: str) -> HostClient:
        """The client of a Hub, with all that it does: ``/sth/:id/api/v1``; nothing is asked of the Manager.

        A call raises NotFoundError if the Manager does not know the Hub, and OverloadedError if it has lost it.
        """
        return mirror(self._async.host(hub_id))

    def topic(self, name: str, content_type: str = NDJSON) -> NamedStream:
        """The client of a topic that the Manager carries between its Hubs: ``/topic/:name``.

        A reader gets nothing of what was sent before. Such a topic is not created or deleted: it is there while a
        Hub or a client takes part in it.
        """
        return mirror(self._async.topic(name, content_type))

    def get_version(self) -> Version:
        """Ask which API the Manager serves: ``GET /version``."""
        return self._run(self._async.get_version)

    def get_config(self) -> dict[str, Any]:
        """Ask for the Manager's configuration: ``GET /config``."""
        return self._run(self._async.get_config)

    def get_health(self) -> ServiceHealth:
        """Ask what works: ``GET /health``."""
        return self._run(self._async.get_health)

    def get_load(self) -> LoadCheck:
        """Ask for load, memory and disks of the Manager's machine: ``GET /load``."""
        return self._run(self._async.get_load)

    def get_load_stream(self) -> Reader:
        """Read the load of the Manager's machine as it changes, with ``.json(LoadCheck)``: ``GET /load-stream``."""
        return mirror(self._async.get_load_stream())

    def list_hosts(self, *, offset: int = 0, limit: int | None = None) -> Pages[HubInfo]:
        """List the Hubs, those that have gone included until they are deleted: ``GET /list``."""
        return mirror(self._async.list_hosts(offset=offset, limit=limit))

    def get_host_info(self, hub_id: str) -> HubInfo:
        """Look at a Hub: ``GET /sth/:id/info``.

        Raises:
            NotFoundError: there is none with this id.
        """
        return self._run(self._async.get_host_info, hub_id)

    def list_sequences(self) -> list[str]:
        """List the ids of the Sequences on all Hubs, one for each Hub that has it: ``GET /sequences``."""
        return self._run(self._async.list_sequences)

    def list_all_sequences(self, *, offset: int = 0, limit: int | None = None) -> Pages[SequenceInfo]:
        """List the Sequences in the store and on all Hubs: ``GET /all_sequences``.

        ``location`` is the id of the Hub, or ``store``.
        """
        return mirror(self._async.list_all_sequences(offset=offset, limit=limit))

    def list_instances(self, *, offset: int = 0, limit: int | None = None) -> Pages[SpaceInstance]:
        """List the Instances on all Hubs: ``GET /instances``."""
        return mirror(self._async.list_instances(offset=offset, limit=limit))

    def list_entities(self) -> SpaceEntities:
        """List the ids of everything, of Sequences and Instances the first hundred: ``GET /entities``."""
        return self._run(self._async.list_entities)

    def list_topics(self) -> list[SpaceTopic]:
        """List the topics, and who takes part in them: ``GET /topics``."""
        return self._run(self._async.list_topics)

    def list_store_items(self) -> list[StoreItem]:
        """List the packages in the store: ``GET /s3``.

        A Hub that is to start a Sequence it does not have gets it from there.

        Raises:
            NotFoundError: the Manager has no store.
        """
        return self._run(self._async.list_store_items)

    def put_store_item(
        self, source: str | Sendable, *, name: str | None = None, progress: Progress | None = None
    ) -> StoreItem:
        """Put a package into the store: ``PUT /s3/:file``.

        Args:
            source: path of a directory, which is packed, or of a tar.gz; or a tar.gz itself, as anything that
                can be sent.
            name: of the file in the store, instead of its id.
            progress: told after each piece how many bytes have been sent, and how many there are.

        Returns:
            What is in it, with the id it was given.

        Raises:
            PackageError: there is nothing at the path, or it can't be packed.
            UnprocessableError: it is no Sequence.
            OverloadedError: the store is full.
        """
        return self._run(self._async.put_store_item, sendable(source), name=name, progress=progress_of(progress))

    def get_store_item(self, name: str) -> Reader:
        """Read a package in the store, as tar.gz: ``GET /s3/:file``.

        Args:
            name: of the file, as the list of the store has it in ``filename``.
        """
        return mirror(self._async.get_store_item(name))

    def delete_store_item(self, name: str) -> None:
        """Delete a package from the store: ``DELETE /s3/:file``.

        Raises:
            NotFoundError: there is none of this name.
        """
        self._run(self._async.delete_store_item, name)

    def clear_store(self) -> None:
        """Delete all packages from the store: ``DELETE /store``."""
        self._run(self._async.clear_store)

    def disconnect_hubs(
        self, *, id: str | None = None, access_key: str | None = None, limit: int | None = None
    ) -> HubsDisconnected:
        """Disconnect Hubs that came with an access key, so that they do not come back: ``POST /disconnect``.

        They stay in the list until they are deleted. What is given adds up.

        Args:
            id: of one Hub.
            access_key: all that came with this key.
            limit: how many may stay; 0 disconnects all.

        Returns:
            Which are being disconnected.

        Raises:
            NotFoundError: there is no such Hub, or none with this key.
            BadRequestError: the Hub came without an access key.
            ValueError: nothing is given, or limit is negative.
        """
        return self._run(self._async.disconnect_hubs, id=id, access_key=access_key, limit=limit)

    def delete_hub(self, hub_id: str, *, force: bool = False) -> None:
        """Forget a Hub that came with an access key: ``DELETE /sth/:id``.

        Args:
            hub_id: its id.
            force: disconnect it first; this takes about a second.

        Raises:
            NotFoundError: there is none with this id.
            ConflictError: it is connected.
            BadRequestError: it came without an access key.
        """
        self._run(self._async.delete_hub, hub_id, force=force)
