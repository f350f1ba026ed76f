"""A Hub in a thread of this process, for tests of Sequences."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transform_hub.client.body import Sendable
from transform_hub.client.host import HostClient as AsyncHostClient
from transform_hub.client.run import CompletedInstance
from transform_hub.hub.config import HubConfig
from transform_hub.hub.server import Hub
from transform_hub.sync import HostClient, InstanceClient, SequenceClient
from transform_hub.sync.portal import Portal
from transform_hub.testing.measuring import measured
from transform_hub.testing.record import Record, Records

RUNNING: list[LocalHub] = []
"""The Hubs that run now, for the reports of failed tests."""


class LocalHub:
    """A Hub that runs in the background, and clients of it.

    Attributes:
        url: of its API.
        client: a sync client of it.
        records: output and log of its Instances, the oldest first.
    """

    def __init__(self, hub: Hub, records: list[Record]) -> None:
        self.url = hub.url
        self.client = HostClient(hub.url, token=hub.config.token)
        self.records = records
        self._token = hub.config.token

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def connect(self, **options: Any) -> AsyncHostClient:
        """An async client: ``async with hub.connect() as host``; options are those of the client."""
        return AsyncHostClient(self.url, **{"token": self._token, **options})

    def send(self, source: str | Sendable) -> SequenceClient:
        """Send a Sequence.

        Args:
            source: its directory, or anything else that :meth:`HostClient.send_sequence` takes.
        """
        return self.client.send_sequence(source)

    def start(self, source: str | Sendable | SequenceClient, **options: Any) -> InstanceClient:
        """Send a Sequence and start an Instance.

        Args:
            source: its directory, anything else that can be sent, or a Sequence that was sent before.
            options: ``args``, ``app_config`` and others of :meth:`SequenceClient.start`.
        """
        sequence = source if isinstance(source, SequenceClient) else self.send(source)
        return sequence.start(**options)

    def run(
        self, source: str | Sendable | SequenceClient, *, timeout: float = 60.0, **options: Any
    ) -> CompletedInstance:
        """Run a Sequence to its end; see :meth:`HostClient.run`.

        Args:
            source: its directory, anything else that can be sent, or a Sequence that was sent before.
            timeout: seconds after which it is killed.
            options: ``args``, ``app_config``, ``input``, ``check`` and others of :meth:`HostClient.run`.
        """
        return self.client.run(source, timeout=timeout, **options)


@contextlib.contextmanager
def local_hub(*, data_dir: str | os.PathLike[str] | None = None, **settings: Any) -> Iterator[LocalHub]:
    """Run a Hub in the background.

    Args:
        data_dir: folder for Sequences; by default a temporary one.
        settings: any other field of :class:`transform_hub.hub.config.HubConfig`; the default port is a free one.

    Yields:
        The Hub and clients of it.

    Example:
        >>> with local_hub() as hub:
        ...     assert hub.run("my-sequence", input="one").output == b"ONE"
    """
    with contextlib.ExitStack() as stack:
        if data_dir is None:
            data_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="sth-data-"))
        environment = {**stack.enter_context(measured(Path(data_dir))), **settings.pop("runner_envs", {})}
        portal = Portal("transform-hub-server")
        stack.callback(portal.close)
        config = HubConfig(**{"port": 0, "data_dir": Path(data_dir), "runner_envs": environment, **settings})
        hub = portal.run(_made, config)
        stack.callback(portal.run, hub.close)
        portal.run(hub.start)
        local = LocalHub(hub, hub.records)
        stack.enter_context(local.client)
        RUNNING.append(local)
        stack.callback(RUNNING.remove, local)
        yield local


class _RecordingHub(Hub):
    def __init__(self, config: HubConfig) -> None:
        super().__init__(config)
        self.records = Records()
        self.instances.observers.append(self.records)


async def _made(config: HubConfig) -> _RecordingHub:
    return _RecordingHub(config)
