"""The streams of an Instance: what is sent to it, and what it writes.

Made by tools/make_sync of transform_hub.client.instance_streams: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from transform_hub.client import instance_streams as native
from transform_hub.client.body import BINARY, Progress, Sendable
from transform_hub.client.transport import Deadline
from transform_hub.sync.handover import progress_of, sendable
from transform_hub.sync.mirror import Mirror, mirror, original

if TYPE_CHECKING:
    from transform_hub.sync.duplex import Duplex
    from transform_hub.sync.follower import Follower
    from transform_hub.sync.host import HostClient
    from transform_hub.sync.reader import Reader
    from transform_hub.sync.writer import Writer


class InstanceStreams(Mirror, of=native.InstanceStreams):
    """Carries the streams of one Instance; the part of :class:`InstanceClient` that reads and writes.

    Args:
        id: of the Instance.
        host: the client of its Hub.
    """

    _async: native.InstanceStreams

    def __init__(self, id: str, host: HostClient) -> None:
        self._stand_for(self._native_class(id, original(host)))

    @property
    def id(self) -> str:
        return self._async.id

    @property
    def host(self) -> HostClient:
        return mirror(self._async.host)

    def send_input(
        self, data: Sendable, *, content_type: str | None = None, end: bool = True, progress: Progress | None = None
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
        self._run(
            self._async.send_input, sendable(data), content_type=content_type, end=end, progress=progress_of(progress)
        )

    def open_input(self, content_type: str = BINARY, *, end: bool = True) -> Writer:
        """Write to the Instance's input piece by piece: ``POST /instance/:id/input``.

        Args:
            content_type: of what is written.
            end: end the input when the writer is closed.

        Returns:
            The writer, which raises what :meth:`send_input` does.
        """
        return mirror(self._async.open_input(content_type, end=end))

    def send_stdin(self, data: Sendable, *, end: bool = True, progress: Progress | None = None) -> None:
        """Send data to the Instance's stdin: ``POST /instance/:id/stdin``; see :meth:`send_input`."""
        self._run(self._async.send_stdin, sendable(data), end=end, progress=progress_of(progress))

    def open_stdin(self, *, end: bool = True) -> Writer:
        """Write to the Instance's stdin piece by piece: ``POST /instance/:id/stdin``; see :meth:`open_input`."""
        return mirror(self._async.open_stdin(end=end))

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
        native: Any = self._async
        return mirror(
            native.get_output(
                follow=follow,
                reconnect_timeout=reconnect_timeout,
                idle_timeout=idle_timeout,
                progress=progress_of(progress),
            )
        )

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
        native: Any = self._async
        return mirror(
            native.get_stdout(
                follow=follow,
                reconnect_timeout=reconnect_timeout,
                idle_timeout=idle_timeout,
                progress=progress_of(progress),
            )
        )

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
        native: Any = self._async
        return mirror(
            native.get_stderr(
                follow=follow,
                reconnect_timeout=reconnect_timeout,
                idle_timeout=idle_timeout,
                progress=progress_of(progress),
            )
        )

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
        native: Any = self._async
        return mirror(native.get_log(follow=follow, reconnect_timeout=reconnect_timeout, idle_timeout=idle_timeout))

    def get_event_stream(self, name: str, *, idle_timeout: Deadline = "default") -> Reader:
        """Read the future messages of an event, with ``.json()``: ``GET /instance/:id/events/:name``.

        Args:
            name: of the event.
            idle_timeout: seconds without one; None is no limit, ``default`` the client's.

        Returns:
            The reader, which ends with the Instance, and raises what that of :meth:`get_output` does.
        """
        return mirror(self._async.get_event_stream(name, idle_timeout=idle_timeout))

    def inout(self, content_type: str = BINARY, *, end: bool = True, idle_timeout: Deadline = "default") -> Duplex:
        """Write the input and read the output at the same time: ``POST /instance/:id/inout``.

        Args:
            content_type: of what is written.
            end: end the input with ``close_input``; STH does not do that.
            idle_timeout: seconds that the output may be silent; None is no limit, ``default`` the client's.

        Returns:
            Both; it raises what :meth:`send_input` and the reader of :meth:`get_output` do.
        """
        return mirror(self._async.inout(content_type, end=end, idle_timeout=idle_timeout))
