"""What the clients of all servers have in common: Hub, Manager, MultiManager and Middleware.

Made by tools/make_sync of transform_hub.client.api: edit that, and run ``make sync``.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING

from transform_hub.client import api as native
from transform_hub.client.credentials import Token
from transform_hub.client.tls import TLS
from transform_hub.sync.handover import token_of
from transform_hub.sync.mirror import Mirror

if TYPE_CHECKING:
    from typing_extensions import Self


class ApiClient(Mirror, of=native.ApiClient):
    """Talks to one API.

    It can be used in several threads at once. ``with`` or ``close()`` closes its connections at once;
    otherwise they are closed when the program ends.

    Args:
        url: of the API, like ``http://127.0.0.1:8000/api/v1``; credentials in it are sent as a header.
        token: sent as bearer token; or a function that returns a fresh one. It is called for each request,
            in the thread that makes it, and once more when the server does not accept what it returned.
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

    _async: native.ApiClient

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
        self._stand_for(
            self._native_class(
                url,
                token=token_of(token),
                headers=headers,
                timeout=timeout,
                connect_timeout=connect_timeout,
                idle_timeout=idle_timeout,
                tls=tls,
                trust_env=trust_env,
            )
        )

    def __enter__(self) -> Self:
        self._run(self._async.__aenter__)
        return self

    def __exit__(self, *_: object) -> None:
        self._leave(self._async.__aexit__, *_)

    @property
    def url(self) -> str:
        """URL of the API, without credentials."""
        return self._async.url

    def close(self) -> None:
        """Close the connections. A later call makes new ones.

        A client that came from another one has none of its own: it uses those of the other, which close there.
        """
        self._leave(self._async.close)
