"""The base of all clients: Hub, Manager, MultiManager and Middleware."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from transform_hub.client.credentials import Token
from transform_hub.client.tls import TLS
from transform_hub.client.transport import Transport

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing since 3.11

T = TypeVar("T")


class ApiClient:
    """Base of all clients; :class:`HostClient` describes the arguments."""

    _server: ClassVar[str] = "Hub"

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 30.0,
        connect_timeout: float = 10.0,
        idle_timeout: float | None = None,
        tls: TLS | ssl.SSLContext | None = None,
        trust_env: bool = True,
    ) -> None:
        self.transport = Transport(
            url,
            token=token,
            headers=headers,
            timeout=timeout,
            connect_timeout=connect_timeout,
            idle_timeout=idle_timeout,
            tls=tls,
            trust_env=trust_env,
            server=self._server,
        )

    @classmethod
    def over(cls, transport: Transport) -> Self:
        """A client that uses the transport of another one: ``HostClient.over(transport.below(path))``."""
        client = cls.__new__(cls)
        client.transport = transport.named(cls._server)
        return client

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """URL of the API, without credentials."""
        return self.transport.base

    async def close(self) -> None:
        """Close the connections; a later call makes new ones.

        A client that was made by another one shares its connections, and leaves them open.
        """
        await self.transport.close()

    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return await self.transport.call(method, path, answer, **options)
