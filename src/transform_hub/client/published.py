"""The clients as the published package has them, so that code written for it runs unchanged.

There are two generations of such code. In one a call gives the JSON text of the Hub's answer:

    seq_id = json.loads(await host.send_sequence("x.tar.gz"))["id"]

In the other it gives dicts, lists and clients:

    sequence = await host.send_sequence(HostClient.load_sequence("x.tar.gz"))
    instance = await sequence.start()

Here a client that comes back is both: a client, and a str with the JSON of the Hub's answer. What is not a
client is a dict or a list, as the Hub sent it. New code should use :mod:`transform_hub.client`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import aiohttp
import msgspec

from transform_hub.client import host as native
from transform_hub.client.address import segment
from transform_hub.client.body import NDJSON, Sendable, body_of
from transform_hub.client.instance import InstanceClient as NativeInstance
from transform_hub.client.reader import Reader
from transform_hub.client.sequence import SequenceClient as NativeSequence
from transform_hub.client.sequence import start_request
from transform_hub.client.transport import Transport
from transform_hub.client.writer import Writer

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

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
        return self.native.get_log()


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

    async def get_sequence_info(self, id: str) -> JsonDict:
        """``GET /sequence/:id``."""
        return cast(JsonDict, await self.native.get_sequence_info(id))

    async def delete_sequence(self, id: str) -> JsonDict:
        """``DELETE /sequence/:id``."""
        return await self.native.remove(id)

    async def get_instance_info(self, id: str) -> JsonDict:
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


class _JsonText(str):
    """A client that is also the JSON of the answer it came with."""

    __slots__ = ()

    def __new__(cls, id: str, host: HostClient, answer: JsonDict | None = None) -> Self:  # noqa: ARG004
        return super().__new__(cls, msgspec.json.encode(answer or {"id": id}).decode())


class SequenceClient(_JsonText):
    """A Sequence; also the JSON text ``{"id": ...}``.

    Args:
        id: of the Sequence.
        host: its Hub.
    """

    def __init__(self, id: str, host: HostClient, answer: JsonDict | None = None) -> None:
        self.id = id
        self.host = host
        self.app_config: JsonDict | None = None
        self.native = _Sequence(id, host.native)

    async def start(
        self, app_config: JsonDict | None = None, args: list[Any] | None = None, **options: Any
    ) -> InstanceClient:
        """``POST /sequence/:id/start``; options are those of the native client's ``start``."""
        answer = await self.native.begin(args, app_config or self.app_config, **options)
        return InstanceClient(answer["id"], self.host, answer)

    async def list_instances(self) -> list[str]:
        """``GET /sequence/:id/instances``."""
        return await self.native.list_instances()

    def get_instance(self, id: str, host: HostClient | None = None) -> InstanceClient:
        """The client of an Instance; can be awaited, too."""
        return InstanceClient(id, host or self.host)

    async def get_info(self) -> JsonDict:
        """``GET /sequence/:id``."""
        return cast(JsonDict, await self.native.get_info())


class InstanceClient(_JsonText):
    """An Instance; also the JSON text ``{"id": ..., "message": ...}``.

    Args:
        id: of the Instance.
        host: its Hub.
    """

    def __init__(self, id: str, host: HostClient, answer: JsonDict | None = None) -> None:
        self.id = id
        self.host = host
        self.native = _Instance(id, host.native)

    def __await__(self) -> Generator[Any, None, Self]:
        return self
        yield

    async def stop(self, timeout: int = 7000, can_keep_alive: bool = False) -> JsonDict:  # noqa: FBT001, FBT002
        """``POST /instance/:id/_stop``; the timeout is in ms."""
        return cast(JsonDict, await self.native.stop(timeout, can_keep_alive))

    async def kill(self) -> JsonDict:
        """``POST /instance/:id/_kill``."""
        return cast(JsonDict, await self.native.kill())

    async def send_event(self, event_name: str, message: Any = "") -> JsonDict:
        """``POST /instance/:id/_event``."""
        return cast(JsonDict, await self.native.event(event_name, message))

    async def get_event(self, event_name: str) -> Any:
        """``GET /instance/:id/event/:name``."""
        return await self.native.get_event(event_name)

    async def get_next_event(self, event_name: str) -> Any:
        """``GET /instance/:id/once/:name``."""
        return await self.native.get_next_event(event_name)

    def get_event_stream(self, event_name: str) -> Reader:
        """``GET /instance/:id/events/:name``; can be awaited, and iterated over."""
        return self.native.get_event_stream(event_name)

    async def get_health(self) -> JsonDict:
        """``GET /instance/:id/health``."""
        return await self.native.get_health()

    async def get_info(self) -> JsonDict:
        """``GET /instance/:id``."""
        return cast(JsonDict, await self.native.get_info())

    async def send_input(self, stream: Sendable, options: Mapping[str, Any] | None = None) -> None:
        """``POST /instance/:id/input``.

        Args:
            stream: the data.
            options: ``content_type`` of the data, and ``end``: whether the input ends with it (it does).
        """
        given = options or {}
        names = ("content_type", "contentType", "content-type", "type")
        content_type = next((given[name] for name in names if given.get(name)), None)
        await self.native.send_input(stream, content_type=content_type, end=_truth(given.get("end", True)))

    async def send_stdin(self, stream: Sendable, options: Mapping[str, Any] | None = None) -> None:
        """``POST /instance/:id/stdin``; see :meth:`send_input`."""
        await self.native.send_stdin(stream, end=_truth((options or {}).get("end", True)))

    def get_output(self) -> Reader:
        """``GET /instance/:id/output``; can be awaited, and iterated over."""
        return self.native.get_output()


class Loaded(bytes):
    """Bytes that can be awaited: some code does, some does not."""

    def __await__(self) -> Generator[Any, None, bytes]:
        return bytes(self)
        yield


class _Transport(Transport):
    def default_headers(self) -> Mapping[str, str]:
        return BaseClient.headers


class _Host(native.HostClient):
    """The native client with answers as the Hub sent them, rather than in our models."""

    def __init__(self, url: str, connector: aiohttp.BaseConnector | None) -> None:
        self.transport = _Transport(url, connector=connector)

    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return cast(T, await super()._call(method, path, Any, **options))

    async def send_package(self, file: Sendable) -> JsonDict:
        return await self._send_sequence(file, JsonDict)

    async def remove(self, sequence_id: str) -> JsonDict:
        return await self._call("DELETE", native.sequence_path(sequence_id), JsonDict)


class _Sequence(NativeSequence):
    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return cast(T, await super()._call(method, path, Any, **options))

    async def begin(self, args: list[Any] | None, app_config: JsonDict | None, **options: Any) -> JsonDict:
        return await self._start(start_request(args=args, app_config=app_config, **options), JsonDict)


class _Instance(NativeInstance):
    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return cast(T, await super()._call(method, path, Any, **options))

    async def event(self, name: str, message: Any) -> Any:
        return await self._send_event(name, message)


def _truth(value: Any) -> bool:
    return value.lower() != "false" if isinstance(value, str) else bool(value)
