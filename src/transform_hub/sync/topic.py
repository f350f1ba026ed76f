"""Topics of a Hub or of a Manager, seen from outside.

Made by tools/make_sync of transform_hub.client.topic: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from transform_hub.client import topic as native
from transform_hub.client.body import NDJSON, Progress, Sendable
from transform_hub.client.transport import Deadline
from transform_hub.sync.handover import progress_of, sendable
from transform_hub.sync.mirror import Mirror, mirror, original

if TYPE_CHECKING:
    from transform_hub.sync.api import ApiClient
    from transform_hub.sync.follower import Follower
    from transform_hub.sync.host import HostClient
    from transform_hub.sync.reader import Reader
    from transform_hub.sync.writer import Writer


class NamedStream(Mirror, of=native.NamedStream):
    """Writes to and reads from a topic that a Manager carries between its Hubs; for those of a Hub see TopicClient.

    It is there as long as a Hub or a client takes part in it.

    Args:
        name: of the topic: letters, digits, ``_``, ``-``, ``+`` and backslashes.
        host: the client of its Manager.
        content_type: ``application/x-ndjson``, ``text/x-ndjson``, ``text/plain`` or ``application/octet-stream``;
            it has to be that of the topic.
    """

    _async: native.NamedStream

    def __init__(self, name: str, host: ApiClient, content_type: str = NDJSON) -> None:
        self._stand_for(self._native_class(name, original(host), content_type))

    @property
    def name(self) -> str:
        return self._async.name

    @property
    def host(self) -> ApiClient:
        return mirror(self._async.host)

    @property
    def content_type(self) -> str:
        return self._async.content_type

    def send(self, data: Sendable, *, progress: Progress | None = None) -> None:
        """Send data to the topic, and wait until it has taken all of it: ``POST /topic/:name``.

        On STH writers take turns: it may be long before this one is wanted.

        Args:
            data: bytes, str, Path, open file or iterable of chunks.
            progress: told how many bytes have been sent, and how many there are if that is known.

        Raises:
            BadRequestError: the name or the content type is none of a topic.
            UnsupportedMediaTypeError: the topic has another content type.
            StreamError: the topic was deleted, or the Hub broke off.
        """
        self._run(self._async.send, sendable(data), progress=progress_of(progress))

    def open(self) -> Writer:
        """Write to the topic piece by piece: ``POST /topic/:name``.

        Returns:
            The writer, which raises what :meth:`send` does.
        """
        return mirror(self._async.open())

    @overload
    def get(
        self, *, follow: Literal[False] = ..., idle_timeout: Deadline = ..., progress: Progress | None = ...
    ) -> Reader: ...

    @overload
    def get(
        self,
        *,
        follow: Literal[True],
        reconnect_timeout: float | None = ...,
        idle_timeout: Deadline = ...,
        progress: Progress | None = ...,
    ) -> Follower: ...

    def get(
        self,
        *,
        follow: bool = False,
        reconnect_timeout: float | None = None,
        idle_timeout: Deadline = "default",
        progress: Progress | None = None,
    ) -> Reader | Follower:
        """Read what is written to the topic from now on: ``GET /topic/:name``.

        Args:
            follow: connect again when the connection is lost; the reader then gives a :class:`Gap` there.
            reconnect_timeout: seconds that may take; None is no limit.
            idle_timeout: seconds that it may be silent; None is no limit, ``default`` the client's.
            progress: told after each chunk how many bytes have come.

        Returns:
            The reader, which raises:

            * BadRequestError: the name is none of a topic.
            * UnsupportedMediaTypeError: the topic has another content type.
            * StreamError: it broke off; with ``follow`` only StreamTimeoutError.
        """
        native: Any = self._async
        return mirror(
            native.get(
                follow=follow,
                reconnect_timeout=reconnect_timeout,
                idle_timeout=idle_timeout,
                progress=progress_of(progress),
            )
        )


class TopicClient(NamedStream, of=native.TopicClient):
    """Writes to and reads from a topic: a named stream that Instances and clients share.

    A topic is made when it is first written or read, with the content type of whoever does.

    Args:
        name: of the topic: letters, digits, ``_``, ``-``, ``+`` and backslashes.
        host: the client of its Hub.
        content_type: ``application/x-ndjson``, ``text/x-ndjson``, ``text/plain`` or ``application/octet-stream``;
            it has to be that of the topic.
    """

    _async: native.TopicClient

    def __init__(self, name: str, host: HostClient, content_type: str = NDJSON) -> None:
        self._stand_for(self._native_class(name, original(host), content_type))

    def delete(self) -> None:
        """Delete the topic: ``DELETE /topics/:name``.

        Raises:
            NotFoundError: it is not there.
        """
        self._run(self._async.delete)
