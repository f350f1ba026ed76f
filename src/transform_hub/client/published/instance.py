"""The published client of an Instance."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from transform_hub.client.body import Sendable
from transform_hub.client.instance import InstanceClient as NativeInstance
from transform_hub.client.published.base import JsonDict, JsonText
from transform_hub.client.reader import Reader

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

    from transform_hub.client.published.host import HostClient

T = TypeVar("T")


class InstanceClient(JsonText):
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
        return cast(JsonDict, await self.native.stop(timeout / 1000, can_keep_alive))

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
        return (await self.native.get_health()).answer

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


class _Instance(NativeInstance):
    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return cast(T, await super()._call(method, path, Any, **options))

    async def event(self, name: str, message: Any) -> Any:
        return await self._send_event(name, message)


def _truth(value: Any) -> bool:
    return value.lower() != "false" if isinstance(value, str) else bool(value)
