"""The clients as the published package has them, so that code written for it runs unchanged.

There are two generations of such code. In one a call gives the JSON text of the Hub's answer:

    seq_id = json.loads(await host.send_sequence("x.tar.gz"))["id"]

In the other it gives dicts, lists and clients:

    sequence = await host.send_sequence(HostClient.load_sequence("x.tar.gz"))
    instance = await sequence.start()

Here a client that comes back is both: a client, and a str with the JSON of the Hub's answer. What is not a client
is a dict or a list, as the Hub sent it. New code should use :mod:`transform_hub.client`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import aiohttp
import msgspec

from transform_hub.client import host as native
from transform_hub.client.address import segment
from transform_hub.client.body import BINARY, NDJSON, Sendable, body_of
from transform_hub.client.instance import InstanceClient as NativeInstance
from transform_hub.client.sequence import SequenceClient as NativeSequence
from transform_hub.client.streams import Reader, Writer
from transform_hub.client.transport import Transport

T = TypeVar("T")
JsonDict = dict[str, Any]


class BaseClient:
    """What all published clients have in common.

    Args:
        url: of the Hub's API.
        connector: of aiohttp, to be used instead of an own one.
    """

    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, url: str, connector: aiohttp.BaseConnector | None = None) -> None:
        self.native = _Host(url, connector)
        self.url = self.native.url

    @staticmethod
    def setDefaultHeaders(headers: Mapping[str, str]) -> None:  # noqa: N802 - its published name
        """Set the headers that all clients send from now on, also those that exist already."""
        BaseClient.headers = dict(headers)

    async def close(self) -> None:
        """Close the connections made in this event loop; they close with it anyway."""
        await self.native.close()

    async def get_version(self) -> JsonDict:
        """``GET /version``."""
        return cast(JsonDict, await self.native.get_version())

    async def get_load_check(self) -> JsonDict:
        """``GET /load-check``."""
        return cast(JsonDict, await self.native.get_load_check())

    async def get_config(self) -> JsonDict:
        """``GET /config``."""
        return await self.native.get_config()

    def get_log_stream(self) -> Reader:
        """``GET /log``; can be awaited, and iterated over."""
        return self.native.get_log_stream()


class ClientUtils(BaseClient):
    """Where the older generation sets its default headers."""


class HostClient(BaseClient):
    """A Hub."""

    @staticmethod
    def load_sequence(seq_path: str) -> Loaded:
        """Read a package from disk."""
        return Loaded(Path(seq_path).read_bytes())

    async def list_sequences(self) -> list[JsonDict]:
        """``GET /sequences``."""
        return cast("list[JsonDict]", await self.native.list_sequences())

    async def list_instances(self) -> list[JsonDict]:
        """``GET /instances``."""
        return cast("list[JsonDict]", await self.native.list_instances())

    async def list_entities(self) -> JsonDict:
        """``GET /entities``."""
        return cast(JsonDict, await self.native.list_entities())

    async def send_sequence(self, file: Sendable, app_config: JsonDict | None = None) -> SequenceClient:
        """``POST /sequence``.

        Args:
            file: the package as bytes, or its path.
            app_config: what an Instance gets that is started with the returned client.
        """
        answer = await self.native.send_package(file)
        sequence = SequenceClient(answer["id"], self, answer)
        sequence.app_config = app_config
        return sequence

    async def get_sequence_info(self, id: str) -> JsonDict:  # noqa: A002 - its published name
        """``GET /sequence/:id``."""
        return cast(JsonDict, await self.native.get_sequence_info(id))

    async def delete_sequence(self, id: str) -> JsonDict:  # noqa: A002
        """``DELETE /sequence/:id``."""
        return await self.native.remove(id)

    async def get_instance_info(self, id: str) -> JsonDict:  # noqa: A002
        """``GET /instance/:id``."""
        return cast(JsonDict, await self.native.get_instance_info(id))

    async def send_named_data(
        self,
        topic: str,
        stream: Sendable,
        content_type: str | None = None,
        end: bool | None = None,  # noqa: FBT001 - people call it so
    ) -> Any:
        """``POST /topic/:name``; waits until the topic has taken the data."""
        body = body_of(stream)
        headers = {"Content-Type": content_type or NDJSON}
        if end is not None:
            headers["x-end-stream"] = "true" if end else "false"
        path = f"/topic/{segment(topic, 'a topic name')}"
        # Writers of a topic take turns, so it may be long before this one is wanted.
        async with Writer(self.native.transport, path, headers=headers, patience=None) as writer:
            await writer.send(body)
        return msgspec.json.decode(await writer.close() or b"{}")

    def get_named_data(self, topic: str, content_type: str = NDJSON) -> Reader:
        """``GET /topic/:name``; can be awaited, and iterated over."""
        path = f"/topic/{segment(topic, 'a topic name')}"
        return Reader(self.native.transport, path, headers={"Content-Type": content_type})
