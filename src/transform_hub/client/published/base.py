"""What all published clients have in common."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

import aiohttp
import msgspec

from transform_hub.client.address import segment
from transform_hub.client.api import ApiClient
from transform_hub.client.body import Sendable, body_of
from transform_hub.client.reader import Reader
from transform_hub.client.transport import Transport
from transform_hub.client.writer import Writer
from transform_hub.models.rules import NDJSON

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

JsonDict = dict[str, Any]


class BaseClient:
    """What all published clients have in common.

    Args:
        url: of the API.
        connector: of aiohttp, to be used instead of an own one.
    """

    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, url: str, connector: aiohttp.BaseConnector | None = None) -> None:
        self._use(_Transport(url, connector=connector))

    @classmethod
    def over(cls, transport: Transport) -> Self:
        """The client of an API that another client's transport reaches."""
        client = cls.__new__(cls)
        client._use(transport)  # noqa: SLF001 - it is one of us
        return client

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __await__(self) -> Generator[Any, None, Self]:
        """Some code awaits where it gets a client from another, some does not."""
        return self
        yield

    @staticmethod
    def setDefaultHeaders(headers: Mapping[str, str]) -> None:  # noqa: N802 - its published name
        """Set the headers that all clients send from now on, also those that exist already."""
        BaseClient.headers = dict(headers)

    async def close(self) -> None:
        """Close the connections made in this event loop; they close with it anyway."""
        await self.native.close()

    async def get_version(self) -> JsonDict:
        """``GET /version``."""
        return cast(JsonDict, await self._get("/version"))

    async def get_load_check(self) -> JsonDict:
        """``GET /load-check``."""
        return cast(JsonDict, await self._get("/load-check"))

    async def get_config(self) -> JsonDict:
        """``GET /config``."""
        return cast(JsonDict, await self._get("/config"))

    def get_log_stream(self) -> Reader:
        """``GET /log``; can be awaited, and iterated over."""
        return Reader(self.native.transport, "/log")

    def _use(self, transport: Transport) -> None:
        self.native = ApiClient.over(transport)
        self.url = self.native.url

    async def _get(self, path: str) -> Any:
        return await self.native.transport.call("GET", path, Any)


class ClientUtils(BaseClient):
    """Where the older generation sets its default headers."""


class NamedData(BaseClient):
    """A client of a server that has topics."""

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


class JsonText(str):
    """A client that is also the JSON of the answer it came with."""

    __slots__ = ()

    def __new__(cls, id: str, host: object, answer: JsonDict | None = None) -> Self:  # noqa: ARG004
        return super().__new__(cls, msgspec.json.encode(answer or {"id": id}).decode())


class _Transport(Transport):
    def default_headers(self) -> Mapping[str, str]:
        return BaseClient.headers
