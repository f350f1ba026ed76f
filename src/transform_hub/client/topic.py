"""Topics of a Hub or of a Manager, seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from transform_hub.client.address import segment
from transform_hub.client.body import NDJSON, Progress, Sendable, body_of
from transform_hub.client.follower import Follower
from transform_hub.client.reader import Reader
from transform_hub.client.transport import Deadline
from transform_hub.client.writer import Writer

if TYPE_CHECKING:
    from transform_hub.client.api import ApiClient
    from transform_hub.client.host import HostClient


class NamedStream:
    """Writes to and reads from a topic that a Manager carries between its Hubs; for those of a Hub see TopicClient.

    It is there as long as a Hub or a client takes part in it.

    Args:
        name: of the topic: letters, digits, ``_``, ``-``, ``+`` and backslashes.
        host: the client of its Manager.
        content_type: ``application/x-ndjson``, ``text/x-ndjson``, ``text/plain`` or ``application/octet-stream``;
            it has to be that of the topic.
    """

    def __init__(self, name: str, host: ApiClient, content_type: str = NDJSON) -> None:
        self._path = f"/topic/{segment(name, 'a topic name')}"
        self.name = name
        self.host = host
        self.content_type = content_type

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.host!r}, {self.content_type!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NamedStream):
            return NotImplemented
        return (self.name, self.host.url) == (other.name, other.host.url)

    def __hash__(self) -> int:
        return hash((NamedStream, self.name, self.host.url))

    async def send(self, data: Sendable, *, progress: Progress | None = None) -> None:
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
        body = body_of(data)
        async with self._writer(length=body.length, progress=progress) as writer:
            await writer.send(body)

    def open(self) -> Writer:
        """Write to the topic piece by piece: ``POST /topic/:name``.

        Returns:
            The writer, which raises what :meth:`send` does.
        """
        return self._writer()

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
        headers = {"Content-Type": self.content_type}
        options: dict[str, Any] = {"headers": headers, "idle_timeout": idle_timeout, "progress": progress}
        if not follow:
            return Reader(self.host.transport, self._path, **options)
        options["reconnect_timeout"] = reconnect_timeout
        return Follower(self.host.transport, self._path, is_over=self._is_over, **options)

    def _writer(self, *, length: int | None = None, progress: Progress | None = None) -> Writer:
        headers = {"Content-Type": self.content_type}
        transport = self.host.transport
        return Writer(transport, self._path, headers=headers, length=length, patience=None, progress=progress)

    async def _is_over(self) -> bool:
        return False


class TopicClient(NamedStream):
    """Writes to and reads from a topic: a named stream that Instances and clients share.

    A topic is made when it is first written or read, with the content type of whoever does.

    Args:
        name: of the topic: letters, digits, ``_``, ``-``, ``+`` and backslashes.
        host: the client of its Hub.
        content_type: ``application/x-ndjson``, ``text/x-ndjson``, ``text/plain`` or ``application/octet-stream``;
            it has to be that of the topic.
    """

    host: HostClient

    def __init__(self, name: str, host: HostClient, content_type: str = NDJSON) -> None:
        super().__init__(name, host, content_type)

    async def delete(self) -> None:
        """Delete the topic: ``DELETE /topics/:name``.

        Raises:
            NotFoundError: it is not there.
        """
        await self.host.delete_topic(self.name)

    async def _is_over(self) -> bool:
        return all(topic.topic_name != self.name for topic in await self.host.list_topics())
