"""The streams of an Instance: what is sent to it, and what it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from transform_hub.client import waiting
from transform_hub.client.address import instance_path, segment
from transform_hub.client.body import BINARY, Body, Progress, Sendable, body_of
from transform_hub.client.cursor import Position
from transform_hub.client.duplex import Duplex
from transform_hub.client.follower import Follower
from transform_hub.client.reader import Reader
from transform_hub.client.replay import Replay
from transform_hub.client.transport import Deadline
from transform_hub.client.writer import Writer
from transform_hub.errors import StreamError

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient


class InstanceStreams:
    """Carries the streams of one Instance; the part of :class:`InstanceClient` that reads and writes.

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
            progress: told how many bytes have been sent, and how many there are if that is known.

        Raises:
            NotFoundError: the Instance is not there.
            ConflictError: its input has ended.
            MethodNotAllowedError: the Instance reads a topic.
            InstanceEndedError: it ended before it had everything.
            InstanceRestartedError: its run ended before, and another follows.
            StreamError: the Hub broke off.
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
        self, *, follow: Literal[False] = ..., idle_timeout: Deadline = ..., progress: Progress | None = ...
    ) -> Reader: ...
    @overload
    def get_output(
        self,
        *,
        follow: Literal[True],
        reconnect_timeout: float | None = ...,
        idle_timeout: Deadline = ...,
        progress: Progress | None = ...,
    ) -> Follower: ...

    def get_output(
        self,
        *,
        follow: bool = False,
        reconnect_timeout: float | None = None,
        idle_timeout: Deadline = "default",
        progress: Progress | None = None,
    ) -> Reader | Follower:
        """Read what the Sequence returns: ``GET /instance/:id/output``.

        Args:
            follow: connect again when the connection is lost or the Hub is restarted, and go on with the very next
                byte. Where the Hub does not have it any more, or does not count (as STH), there is a :class:`Gap`.
            reconnect_timeout: seconds that may take; None is no limit.
            idle_timeout: seconds that it may be silent; None is no limit, ``default`` the client's.
            progress: told after each chunk how many bytes have come.

        Returns:
            The reader, which raises:

            * NotFoundError: the Instance is not there, or was forgotten when the stream is connected again.
            * InstanceEndedError, StreamError: it broke off; with ``follow`` only StreamTimeoutError.
        """
        options = {"idle_timeout": idle_timeout, "progress": progress}
        return self._output("output", follow=follow, reconnect_timeout=reconnect_timeout, **options)

    @overload
    def get_stdout(
        self, *, follow: Literal[False] = ..., idle_timeout: Deadline = ..., progress: Progress | None = ...
    ) -> Reader: ...
    @overload
    def get_stdout(
        self,
        *,
        follow: Literal[True],
        reconnect_timeout: float | None = ...,
        idle_timeout: Deadline = ...,
        progress: Progress | None = ...,
    ) -> Follower: ...

    def get_stdout(
        self,
        *,
        follow: bool = False,
        reconnect_timeout: float | None = None,
        idle_timeout: Deadline = "default",
        progress: Progress | None = None,
    ) -> Reader | Follower:
        """Read what the Instance prints: ``GET /instance/:id/stdout``; see :meth:`get_output`."""
        options = {"idle_timeout": idle_timeout, "progress": progress}
        return self._output("stdout", follow=follow, reconnect_timeout=reconnect_timeout, **options)

    @overload
    def get_stderr(
        self, *, follow: Literal[False] = ..., idle_timeout: Deadline = ..., progress: Progress | None = ...
    ) -> Reader: ...
    @overload
    def get_stderr(
        self,
        *,
        follow: Literal[True],
        reconnect_timeout: float | None = ...,
        idle_timeout: Deadline = ...,
        progress: Progress | None = ...,
    ) -> Follower: ...

    def get_stderr(
        self,
        *,
        follow: bool = False,
        reconnect_timeout: float | None = None,
        idle_timeout: Deadline = "default",
        progress: Progress | None = None,
    ) -> Reader | Follower:
        """Read what the Instance writes to stderr: ``GET /instance/:id/stderr``; see :meth:`get_output`."""
        options = {"idle_timeout": idle_timeout, "progress": progress}
        return self._output("stderr", follow=follow, reconnect_timeout=reconnect_timeout, **options)

    @overload
    def get_log(self, *, follow: Literal[False] = ..., idle_timeout: Deadline = ...) -> Reader: ...
    @overload
    def get_log(
        self, *, follow: Literal[True], reconnect_timeout: float | None = ..., idle_timeout: Deadline = ...
    ) -> Follower: ...

    def get_log(
        self, *, follow: bool = False, reconnect_timeout: float | None = None, idle_timeout: Deadline = "default"
    ) -> Reader | Follower:
        """Read the Instance's log, one JSON object a line: ``GET /instance/:id/log``.

        Args:
            follow: connect again when the connection is lost or the Hub is restarted; what was given before is left
                out, and if the log does not go on with the very next line there is a :class:`Gap`. It ends with the
                Instance.
            reconnect_timeout: seconds that may take; None is no limit.
            idle_timeout: seconds that it may be silent; None is no limit, ``default`` the client's.

        Returns:
            The reader, which raises what that of :meth:`get_output` does.
        """
        if not follow:
            return self._reader("log", idle_timeout=idle_timeout)
        options: dict[str, Any] = {"reconnect_timeout": reconnect_timeout, "idle_timeout": idle_timeout}
        return self._follower("log", place=Replay(), is_over=lambda: waiting.has_ended(self), **options)

    def get_event_stream(self, name: str, *, idle_timeout: Deadline = "default") -> Reader:
        """Read the future messages of an event, with ``.json()``: ``GET /instance/:id/events/:name``.

        Args:
            name: of the event.
            idle_timeout: seconds without one; None is no limit, ``default`` the client's.

        Returns:
            The reader, which ends with the Instance, and raises what that of :meth:`get_output` does.
        """
        return self._reader(f"events/{segment(name, 'an event name')}", idle_timeout=idle_timeout)

    def inout(self, content_type: str = BINARY, *, end: bool = True, idle_timeout: Deadline = "default") -> Duplex:
        """Write the input and read the output at the same time: ``POST /instance/:id/inout``.

        Args:
            content_type: of what is written.
            end: end the input with ``close_input``; STH does not do that.
            idle_timeout: seconds that the output may be silent; None is no limit, ``default`` the client's.

        Returns:
            Both; it raises what :meth:`send_input` and the reader of :meth:`get_output` do.
        """
        path, headers = f"{self.path}/inout", _sent_as(content_type, end=end)
        return Duplex(self.host.transport, path, headers=headers, explain=self._explain, idle_timeout=idle_timeout)

    def _output(self, name: str, *, follow: bool, reconnect_timeout: float | None, **options: Any) -> Reader | Follower:
        if not follow:
            return self._reader(name, **options)
        return self._follower(name, place=Position(), reconnect_timeout=reconnect_timeout, **options)

    def _reader(self, route: str, **options: Any) -> Reader:
        return Reader(self.host.transport, f"{self.path}/{route}", explain=self._explain, **options)

    def _follower(self, route: str, **options: Any) -> Follower:
        return Follower(self.host.transport, f"{self.path}/{route}", **options)

    def _writer(self, name: str, content_type: str, *, end: bool, **options: Any) -> Writer:
        path, headers = f"{self.path}/{name}", _sent_as(content_type, end=end)
        return Writer(self.host.transport, path, headers=headers, explain=self._explain, **options)

    async def _send(
        self, name: str, body: Body, content_type: str, *, end: bool, progress: Progress | None = None
    ) -> None:
        async with self._writer(name, content_type, end=end, length=body.length, progress=progress) as writer:
            await writer.send(body)

    async def _explain(self, error: StreamError) -> StreamError:
        return await waiting.explain(self, error)


def _sent_as(content_type: str, *, end: bool) -> dict[str, str]:
    return {"Content-Type": content_type, "x-end-stream": "true" if end else "false"}
