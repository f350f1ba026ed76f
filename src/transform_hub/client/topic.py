"""Clients of topics, on a Hub or between the Hubs of a Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload
from urllib.parse import quote

from transform_hub.client.address import segment
from transform_hub.client.body import Messages, Progress, Sendable, body_of, framed
from transform_hub.client.follower import Follower
from transform_hub.client.reader import Reader
from transform_hub.client.reading import Follow, Take, reading
from transform_hub.client.transport import Deadline
from transform_hub.client.writer import Writer
from transform_hub.models.rules import MESSAGES, NDJSON

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing since 3.11

    from transform_hub.client.api import ApiClient
    from transform_hub.client.host import HostClient


class NamedStream:
    """A topic that a Manager carries between its Hubs; for topics of a Hub see :class:`TopicClient`.

    It exists as long as a Hub or a client uses it.

    Args:
        name: of the topic: letters, digits, ``_``, ``-``, ``+`` and backslashes.
        host: the client of its Manager.
        content_type: ``application/x-ndjson``, ``text/x-ndjson``, ``text/plain``, ``application/octet-stream`` or
            ``application/vnd.scramjet.messages``; it has to be that of the topic.
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
        """Send data to the topic, and wait until all of it is there: ``POST /topic/:name``.

        On STH writers take turns, so this may take long.

        Args:
            data: bytes, str, Path, open file or iterable of chunks.
            progress: called with the bytes sent so far, and the total if it is known.

        Raises:
            BadRequestError: a topic can't have this name or content type.
            UnsupportedMediaTypeError: the topic has another content type.
            StreamError: the topic was deleted, or the connection was lost.
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

    async def send_messages(self, messages: Messages, *, progress: Progress | None = None) -> None:
        """Send whole binary messages, such as images or Parquet files: ``POST /topic/:name``.

        The topic is one of ``application/vnd.scramjet.messages``: its readers get each message as it was sent.

        Args:
            messages: bytes each, 64 MiB at most; the iterable must not block, or be an async one.
            progress: called with the bytes sent so far, 4 more for each message.

        Raises:
            ValueError: the topic's content type is another, or a message is too long.
            TypeError: a message is not bytes.
        """
        if self.content_type != MESSAGES:
            raise ValueError(f"messages need a topic of {MESSAGES}; this client's is {self.content_type}")
        await self.send(framed(messages), progress=progress)

    @overload
    def get(
        self,
        *,
        follow: Literal[False] = ...,
        tap: Literal[False] = ...,
        group: str | None = ...,
        **options: Unpack[Take],
    ) -> Reader: ...
    @overload
    def get(self, *, follow: Literal[True], **options: Unpack[Follow]) -> Follower: ...
    @overload
    def get(self, *, tap: Literal[True], **options: Unpack[Follow]) -> Follower: ...

    def get(
        self,
        *,
        follow: bool = False,
        tap: bool = False,
        group: str | None = None,
        reconnect_timeout: float | None = None,
        idle_timeout: Deadline = "default",
        progress: Progress | None = None,
    ) -> Reader | Follower:
        """Read what is written to the topic from now on: ``GET /topic/:name``.

        Args:
            follow: reconnect when the connection is lost; the reader gives a :class:`Gap` there.
            tap: read a copy: it holds no writer, and takes nothing from other readers. There is a :class:`Gap` where
                it was too slow. The Hub must be one of this package.
            group: be a member of this group of readers: each item goes to one of them. The Hub must be one of this
                package; others let this reader have everything.
            reconnect_timeout: seconds for reconnecting; None is no limit.
            idle_timeout: seconds of silence that are allowed; None is no limit, ``default`` the client's setting.
            progress: called after each chunk with the bytes so far.

        Returns:
            The reader, which raises:

            * BadRequestError: a topic can't have this name.
            * UnsupportedMediaTypeError: the topic has another content type.
            * StreamError: it broke off; with ``follow`` and ``tap`` only StreamTimeoutError.

        Raises:
            ValueError: more than one of ``follow``, ``tap`` and ``group``.
        """
        if group is not None and (follow or tap):
            raise ValueError("a member of a group can't follow or tap")
        return reading(
            self.host.transport,
            self._path if group is None else f"{self._path}?group={quote(group, safe='')}",
            follow=follow,
            tap=tap,
            reconnect_timeout=reconnect_timeout,
            is_over=self._is_over,
            headers={"Content-Type": self.content_type},
            idle_timeout=idle_timeout,
            progress=progress,
        )

    def _writer(self, *, length: int | None = None, progress: Progress | None = None) -> Writer:
        headers = {"Content-Type": self.content_type}
        transport = self.host.transport
        return Writer(transport, self._path, headers=headers, length=length, patience=None, progress=progress)

    async def _is_over(self) -> bool:
        return False


class TopicClient(NamedStream):
    """A topic of a Hub: a named stream that Instances and clients share.

    The first write or read creates it, with its content type.

    Args:
        name: of the topic: letters, digits, ``_``, ``-``, ``+`` and backslashes.
        host: the client of its Hub.
        content_type: ``application/x-ndjson``, ``text/x-ndjson``, ``text/plain``, ``application/octet-stream`` or
            ``application/vnd.scramjet.messages``; it has to be that of the topic.
    """

    host: HostClient

    def __init__(self, name: str, host: HostClient, content_type: str = NDJSON) -> None:
        super().__init__(name, host, content_type)

    async def delete(self) -> None:
        """Delete the topic: ``DELETE /topics/:name``.

        Raises:
            NotFoundError: there is no such topic.
        """
        await self.host.delete_topic(self.name)

    async def _is_over(self) -> bool:
        return all(topic.topic_name != self.name for topic in await self.host.list_topics())
