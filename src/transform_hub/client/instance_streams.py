"""The streams of an Instance: what is sent to it, and what it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from transform_hub.client import waiting
from transform_hub.client.address import instance_path, segment
from transform_hub.client.body import Body, Progress, Sendable, body_of
from transform_hub.client.cursor import Position
from transform_hub.client.duplex import Duplex
from transform_hub.client.follower import Follower
from transform_hub.client.reader import Reader
from transform_hub.client.reading import Follow, Take, reading
from transform_hub.client.replay import Replay
from transform_hub.client.transport import Deadline
from transform_hub.client.writer import Writer
from transform_hub.errors import StreamError
from transform_hub.models.rules import ANSWER_AT, BINARY

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing since 3.11

    from transform_hub.client.host import HostClient


class InstanceStreams:
    """The streams of one Instance: the part of :class:`InstanceClient` that reads and writes.

    Args:
        id: of the Instance.
        host: the client of its Hub.
    """

    def __init__(self, id: str, host: HostClient) -> None:
        self.path = instance_path(id)
        self.id = id
        self.host = host

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, {self.host!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InstanceStreams):
            return NotImplemented
        return (self.id, self.host.url) == (other.id, other.host.url)

    def __hash__(self) -> int:
        return hash((InstanceStreams, self.id, self.host.url))

    async def send_input(
        self,
        data: Sendable,
        *,
        content_type: str | None = None,
        end: bool = True,
        progress: Progress | None = None,
    ) -> None:
        """Send data to the Instance's input: ``POST /instance/:id/input``.

        Args:
            data: bytes, str, Path, open file or iterable of chunks.
            content_type: of the data; by default the obvious one, e.g. ``text/plain`` for a str.
            end: end the input after it.
            progress: called with the bytes sent so far, and the total if it is known.

        Raises:
            NotFoundError: there is no such Instance.
            ConflictError: its input has ended.
            MethodNotAllowedError: the Instance reads a topic.
            InstanceEndedError: it ended before it had everything.
            InstanceRestartedError: its run ended before it had everything, and another run follows.
            StreamError: the connection was lost.
        """
        body = body_of(data)
        await self._send("input", body, content_type or body.content_type, end=end, progress=progress)

    def open_input(self, content_type: str = BINARY, *, end: bool = True) -> Writer:
        """Write to the Instance's input piece by piece: ``POST /instance/:id/input``.

        Args:
            content_type: of what is written.
            end: end the input when the writer is closed.

        Returns:
            The writer, which raises what :meth:`send_input` does.
        """
        return self._writer("input", content_type, end=end)

    async def send_stdin(self, data: Sendable, *, end: bool = True, progress: Progress | None = None) -> None:
        """Send data to the Instance's stdin: ``POST /instance/:id/stdin``; see :meth:`send_input`."""
        await self._send("stdin", body_of(data), BINARY, end=end, progress=progress)

    def open_stdin(self, *, end: bool = True) -> Writer:
        """Write to the Instance's stdin piece by piece: ``POST /instance/:id/stdin``; see :meth:`open_input`."""
        return self._writer("stdin", BINARY, end=end)

    @overload
    def get_output(
        self, *, follow: Literal[False] = ..., tap: Literal[False] = ..., **options: Unpack[Take]
    ) -> Reader: ...
    @overload
    def get_output(self, *, follow: Literal[True], **options: Unpack[Follow]) -> Follower: ...
    @overload
    def get_output(self, *, tap: Literal[True], **options: Unpack[Follow]) -> Follower: ...

    def get_output(
        self,
        *,
        follow: bool = False,
        tap: bool = False,
        reconnect_timeout: float | None = None,
        idle_timeout: Deadline = "default",
        progress: Progress | None = None,
    ) -> Reader | Follower:
        """Read what the Sequence returns: ``GET /instance/:id/output``.

        Args:
            follow: reconnect when the connection is lost or the Hub is restarted, and resume at the very byte. If the
                Hub no longer has it, or does not count bytes (as STH), there is a :class:`Gap`.
            tap: read a copy from now on: it takes nothing from other readers, and never slows the Instance. There is a
                :class:`Gap` where it was too slow. The Hub must be one of this package.
            reconnect_timeout: seconds for reconnecting; None is no limit.
            idle_timeout: seconds of silence that are allowed; None is no limit, ``default`` the client's setting.
            progress: called after each chunk with the bytes so far.

        Returns:
            The reader, which raises:

            * NotFoundError: there is no such Instance, or the Hub has forgotten it when the client reconnects.
            * InstanceEndedError, StreamError: it broke off; with ``follow`` and ``tap`` only StreamTimeoutError.

        Raises:
            ValueError: both ``follow`` and ``tap``.
        """
        options = {"follow": follow, "tap": tap, "reconnect_timeout": reconnect_timeout}
        return self._output("output", idle_timeout=idle_timeout, progress=progress, **options)

    @overload
    def get_stdout(
        self, *, follow: Literal[False] = ..., tap: Literal[False] = ..., **options: Unpack[Take]
    ) -> Reader: ...
    @overload
    def get_stdout(self, *, follow: Literal[True], **options: Unpack[Follow]) -> Follower: ...
    @overload
    def get_stdout(self, *, tap: Literal[True], **options: Unpack[Follow]) -> Follower: ...

    def get_stdout(
        self,
        *,
        follow: bool = False,
        tap: bool = False,
        reconnect_timeout: float | None = None,
        idle_timeout: Deadline = "default",
        progress: Progress | None = None,
    ) -> Reader | Follower:
        """Read what the Instance prints: ``GET /instance/:id/stdout``; see :meth:`get_output`."""
        options = {"follow": follow, "tap": tap, "reconnect_timeout": reconnect_timeout}
        return self._output("stdout", idle_timeout=idle_timeout, progress=progress, **options)

    @overload
    def get_stderr(
        self, *, follow: Literal[False] = ..., tap: Literal[False] = ..., **options: Unpack[Take]
    ) -> Reader: ...
    @overload
    def get_stderr(self, *, follow: Literal[True], **options: Unpack[Follow]) -> Follower: ...
    @overload
    def get_stderr(self, *, tap: Literal[True], **options: Unpack[Follow]) -> Follower: ...

    def get_stderr(
        self,
        *,
        follow: bool = False,
        tap: bool = False,
        reconnect_timeout: float | None = None,
        idle_timeout: Deadline = "default",
        progress: Progress | None = None,
    ) -> Reader | Follower:
        """Read what the Instance writes to stderr: ``GET /instance/:id/stderr``; see :meth:`get_output`."""
        options = {"follow": follow, "tap": tap, "reconnect_timeout": reconnect_timeout}
        return self._output("stderr", idle_timeout=idle_timeout, progress=progress, **options)

    @overload
    def get_log(self, *, follow: Literal[False] = ..., idle_timeout: Deadline = ...) -> Reader: ...
    @overload
    def get_log(
        self, *, follow: Literal[True], reconnect_timeout: float | None = ..., idle_timeout: Deadline = ...
    ) -> Follower: ...

    def get_log(
        self, *, follow: bool = False, reconnect_timeout: float | None = None, idle_timeout: Deadline = "default"
    ) -> Reader | Follower:
        """Read the Instance's log, one JSON object per line: ``GET /instance/:id/log``.

        Args:
            follow: reconnect when the connection is lost or the Hub is restarted, and skip what was seen before. If
                the log does not resume at the very line, there is a :class:`Gap`. It ends with the Instance.
            reconnect_timeout: seconds for reconnecting; None is no limit.
            idle_timeout: seconds of silence that are allowed; None is no limit, ``default`` the client's setting.

        Returns:
            The reader, which raises what that of :meth:`get_output` does.
        """
        options: dict[str, Any] = {"reconnect_timeout": reconnect_timeout, "idle_timeout": idle_timeout}
        return self._reading("log", follow=follow, cursor=Replay(), is_over=self._has_ended, **options)

    def get_event_stream(self, name: str, *, idle_timeout: Deadline = "default") -> Reader:
        """Read the messages of an event from now on, with ``.json()``: ``GET /instance/:id/events/:name``.

        Args:
            name: of the event.
            idle_timeout: seconds without one; None is no limit, ``default`` the client's setting.

        Returns:
            The reader, which ends with the Instance, and raises what that of :meth:`get_output` does.
        """
        path = f"{self.path}/events/{segment(name, 'an event name')}"
        return Reader(self.host.transport, path, explain=self._explain, idle_timeout=idle_timeout)

    def inout(self, content_type: str = BINARY, *, end: bool = True, idle_timeout: Deadline = "default") -> Duplex:
        """Write the input and read the output at the same time: ``POST /instance/:id/inout``.

        Args:
            content_type: of what is written.
            end: let ``close_input`` end the Instance's input; STH never does.
            idle_timeout: seconds of silence of the output; None is no limit, ``default`` the client's setting.

        Returns:
            A stream for both, which raises what :meth:`send_input` and the reader of :meth:`get_output` do.
        """
        path, headers = f"{self.path}/inout", _sent_as(content_type, end=end)
        return Duplex(
            self.host.transport,
            path,
            headers=headers,
            is_taken=lambda: waiting.input_is_taken(self),
            explain=self._explain,
            idle_timeout=idle_timeout,
        )

    def _output(self, name: str, **options: Any) -> Reader | Follower:
        return self._reading(name, cursor=Position(), **options)

    def _reading(self, route: str, **options: Any) -> Reader | Follower:
        return reading(self.host.transport, f"{self.path}/{route}", explain=self._explain, **options)

    def _writer(self, name: str, content_type: str, *, end: bool, **options: Any) -> Writer:
        # nginx stalls if it has the head of an answer before the body.
        path, headers = f"{self.path}/{name}", {**_sent_as(content_type, end=end), ANSWER_AT: "end"}
        return Writer(self.host.transport, path, headers=headers, explain=self._explain, **options)

    async def _send(
        self, name: str, body: Body, content_type: str, *, end: bool, progress: Progress | None = None
    ) -> None:
        async with self._writer(name, content_type, end=end, length=body.length, progress=progress) as writer:
            await writer.send(body)

    async def _has_ended(self) -> bool:
        return await waiting.has_ended(self)

    async def _explain(self, error: StreamError) -> StreamError:
        return await waiting.explain(self, error)


def _sent_as(content_type: str, *, end: bool) -> dict[str, str]:
    return {"Content-Type": content_type, "x-end-stream": "true" if end else "false"}
