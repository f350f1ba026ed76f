"""The published client of a Hub."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar, cast

from transform_hub.client import host as native
from transform_hub.client.address import sequence_path
from transform_hub.client.body import Sendable
from transform_hub.client.published.base import JsonDict, NamedData
from transform_hub.client.published.sequence import SequenceClient
from transform_hub.client.transport import Transport

T = TypeVar("T")


class Loaded(bytes):
    """Bytes that can be awaited: some code does, some does not."""

    def __await__(self) -> Generator[Any, None, bytes]:
        return bytes(self)
        yield


class _Host(native.HostClient):
    """The native client with answers as the Hub sent them, rather than in our models."""

    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return cast(T, await super()._call(method, path, Any, **options))

    async def send_package(self, file: Sendable) -> JsonDict:
        return await self._send_sequence(file, JsonDict)

    async def remove(self, sequence_id: str) -> JsonDict:
        return await self._call("DELETE", sequence_path(sequence_id), JsonDict)


class HostClient(NamedData):
    """A Hub."""

    native: _Host

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

    async def get_sequence_info(self, id: str) -> JsonDict:
        """``GET /sequence/:id``."""
        return cast(JsonDict, await self.native.get_sequence_info(id))

    async def delete_sequence(self, id: str) -> JsonDict:
        """``DELETE /sequence/:id``."""
        return await self.native.remove(id)

    async def get_instance_info(self, id: str) -> JsonDict:
        """``GET /instance/:id``."""
        return cast(JsonDict, await self.native.get_instance_info(id))

    def _use(self, transport: Transport) -> None:
        self.native = _Host.over(transport)
        self.url = self.native.url
