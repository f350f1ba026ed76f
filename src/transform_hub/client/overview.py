"""Questions to a Hub: about itself, and what is on it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from transform_hub.client.address import instance_path, sequence_path
from transform_hub.client.logged import LoggedClient
from transform_hub.models import (
    Entities,
    HistoryEntry,
    HubSettings,
    InstanceInfo,
    LoadCheck,
    SequenceInfo,
    Status,
    Topic,
    Version,
)


class HubOverview(LoggedClient):
    """The part of :class:`HostClient` that changes nothing."""

    async def get_version(self) -> Version:
        """Ask which API the Hub serves: ``GET /version``.

        Returns:
            Name and version of the API and of its server.
        """
        return await self._call("GET", "/version", Version)

    async def get_status(self) -> Status:
        """Ask whether the Hub is connected to a Manager: ``GET /status``.

        Returns:
            The Manager, if there is one.
        """
        return await self._call("GET", "/status", Status)

    async def get_load_check(self) -> LoadCheck:
        """Ask for load, memory and disks: ``GET /load-check``.

        Returns:
            Load averages, memory and disks; sizes in bytes.
        """
        return await self._call("GET", "/load-check", LoadCheck)

    async def get_config(self) -> HubSettings:
        """Ask for the Hub's configuration: ``GET /config``.

        Returns:
            Its settings; ``answer`` has all of them, with the Hub's names.
        """
        return HubSettings.of(await self._call("GET", "/config", dict[str, Any]))

    async def list_sequences(self) -> list[SequenceInfo]:
        """List the Sequences: ``GET /sequences``.

        Returns:
            The Sequences, with the ids of their Instances.
        """
        return await self._call("GET", "/sequences", list[SequenceInfo])

    async def list_instances(self) -> list[InstanceInfo]:
        """List the Instances, including ended ones that the Hub still keeps: ``GET /instances``.

        Returns:
            The Instances.
        """
        return await self._call("GET", "/instances", list[InstanceInfo])

    async def list_history(
        self, *, sequence: str | None = None, limit: int = 100, offset: int = 0
    ) -> list[HistoryEntry]:
        """List Instances that have ended, latest first, including earlier runs of the Hub: ``GET /history``.

        Args:
            sequence: id or name of a Sequence, to list only its Instances.
            limit: maximum of entries.
            offset: entries to skip.

        Returns:
            Id, Sequence, times, exit code and reason of each.

        Raises:
            NotFoundError: the Hub is STH, which keeps no history.
        """
        options = {"limit": limit, "offset": offset} | ({} if sequence is None else {"sequence": sequence})
        return await self._call("GET", f"/history?{urlencode(options)}", list[HistoryEntry])

    async def list_entities(self) -> Entities:
        """List Sequences and Instances: ``GET /entities``.

        Returns:
            Both lists.
        """
        return await self._call("GET", "/entities", Entities)

    async def list_topics(self) -> list[Topic]:
        """List the topics: ``GET /topics``.

        Returns:
            Name and content type of each; its users, if the Hub tells.
        """
        return await self._call("GET", "/topics", list[Topic])

    async def get_sequence_info(self, sequence_id: str) -> SequenceInfo:
        """Get a Sequence: ``GET /sequence/:id``.

        Args:
            sequence_id: its id.

        Returns:
            What its package says, and the ids of its Instances.

        Raises:
            NotFoundError: there is no such Sequence.
        """
        return await self._call("GET", sequence_path(sequence_id), SequenceInfo)

    async def get_instance_info(self, instance_id: str) -> InstanceInfo:
        """Get an Instance: ``GET /instance/:id``.

        Args:
            instance_id: its id.

        Returns:
            Its state, times, arguments, topics, and how it ended.

        Raises:
            NotFoundError: there is no such Instance; ended ones are forgotten after a while.
        """
        return await self._call("GET", instance_path(instance_id), InstanceInfo)
