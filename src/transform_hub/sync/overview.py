"""What a Hub tells: of itself, and of what is on it.

Made by tools/make_sync of transform_hub.client.overview: edit that, and run ``make sync``.
"""

from __future__ import annotations

from transform_hub.client import overview as native
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
from transform_hub.sync.logged import LoggedClient


class HubOverview(LoggedClient, of=native.HubOverview):
    """Asks a Hub how it is and what it has; the part of :class:`HostClient` that changes nothing."""

    _async: native.HubOverview

    def get_version(self) -> Version:
        """Ask which API the Hub serves: ``GET /version``.

        Returns:
            Name and version of the API, and of what serves it.
        """
        return self._run(self._async.get_version)

    def get_status(self) -> Status:
        """Ask whether the Hub is connected to a Manager: ``GET /status``.

        Returns:
            The Manager, if there is one.
        """
        return self._run(self._async.get_status)

    def get_load_check(self) -> LoadCheck:
        """Ask for load, memory and disks: ``GET /load-check``.

        Returns:
            Load averages, memory and disks; sizes in bytes.
        """
        return self._run(self._async.get_load_check)

    def get_config(self) -> HubSettings:
        """Ask how the Hub is set up: ``GET /config``.

        Returns:
            Its settings; ``answer`` has all of them, as the Hub names them.
        """
        return self._run(self._async.get_config)

    def list_sequences(self) -> list[SequenceInfo]:
        """List the Sequences: ``GET /sequences``.

        Returns:
            What each is, with the ids of its Instances.
        """
        return self._run(self._async.list_sequences)

    def list_instances(self) -> list[InstanceInfo]:
        """List the Instances, ended ones included while the Hub keeps them: ``GET /instances``.

        Returns:
            What each is.
        """
        return self._run(self._async.list_instances)

    def list_history(self, *, sequence: str | None = None, limit: int = 100, offset: int = 0) -> list[HistoryEntry]:
        """List Instances that have ended, the latest first, earlier runs of the Hub included: ``GET /history``.

        Args:
            sequence: id or name of a Sequence, to list only its Instances.
            limit: entries at most.
            offset: entries to skip.

        Returns:
            Id, Sequence, times, exit code and reason of each.

        Raises:
            NotFoundError: the Hub is STH, which keeps no history.
        """
        return self._run(self._async.list_history, sequence=sequence, limit=limit, offset=offset)

    def list_entities(self) -> Entities:
        """List Sequences and Instances: ``GET /entities``.

        Returns:
            Both lists.
        """
        return self._run(self._async.list_entities)

    def list_topics(self) -> list[Topic]:
        """List the topics: ``GET /topics``.

        Returns:
            Name and content type of each; who uses it, where the Hub tells.
        """
        return self._run(self._async.list_topics)

    def get_sequence_info(self, sequence_id: str) -> SequenceInfo:
        """Look at a Sequence: ``GET /sequence/:id``.

        Args:
            sequence_id: its id.

        Returns:
            What its package says, and the ids of its Instances.

        Raises:
            NotFoundError: there is none with this id.
        """
        return self._run(self._async.get_sequence_info, sequence_id)

    def get_instance_info(self, instance_id: str) -> InstanceInfo:
        """Look at an Instance: ``GET /instance/:id``.

        Args:
            instance_id: its id.

        Returns:
            Its state, times, arguments, topics, and how it ended.

        Raises:
            NotFoundError: there is none with this id; ended ones are forgotten after a while.
        """
        return self._run(self._async.get_instance_info, instance_id)
