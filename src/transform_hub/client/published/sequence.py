"""The published client of a Sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from transform_hub.client.published.base import JsonDict, JsonText
from transform_hub.client.published.instance import InstanceClient
from transform_hub.client.sequence import SequenceClient as NativeSequence
from transform_hub.client.sequence import start_request

if TYPE_CHECKING:
    from transform_hub.client.published.host import HostClient

T = TypeVar("T")


class SequenceClient(JsonText):
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


class _Sequence(NativeSequence):
    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return cast(T, await super()._call(method, path, Any, **options))

    async def begin(self, args: list[Any] | None, app_config: JsonDict | None, **options: Any) -> JsonDict:
        return await self._start(start_request(args=args, app_config=app_config, **options), JsonDict)
