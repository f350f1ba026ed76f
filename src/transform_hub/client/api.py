"""What the clients of all servers have in common: Hub, Manager, MultiManager and Middleware."""

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
    """Talks to one API.

    It can be used in any event loop, and in several one after the other. ``async with`` or ``close()`` closes
    its connections at once; otherwise they are closed with their event loop.

    Args:
        url: of the API, like ``http://127.0.0.1:8000/api/v1``; credentials in it are sent as a header.
        token: sent as bearer token; or a function, sync or async, that returns a fresh one. It is called for
            each request, and once more when the server does not accept what it returned.
        headers: sent with each request.
        timeout: seconds that a call may take, retries included; None is no limit. Streams have no such limit.
        connect_timeout: seconds for making a connection.
        idle_timeout: seconds that a stream which is read may be silent; None is no limit.
        tls: settings of secure connections, as :class:`TLS` or :class:`ssl.SSLContext`.
        trust_env: whether to use the HTTP proxy that the environment names, as in ``HTTPS_PROXY``; never for
            this machine itself or for what ``NO_PROXY`` names.

    Raises:
        ValueError: this can't be the URL of an API; or the settings of TLS or of the proxy can't be used.
        OSError: a file of the TLS settings can't be read.
    """

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
        """The client of an API that another client's transport reaches: ``HostClient.over(transport.below(path))``."""
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
        """Close the connections made in this event loop. A later call makes new ones.

        A client that came from another one has none of its own: it uses those of the other, which close there.
        """
        await self.transport.close()

    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return await self.transport.call(method, path, answer, **options)
