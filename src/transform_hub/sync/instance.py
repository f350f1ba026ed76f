"""An Instance on a Hub, seen from outside.

Made by tools/make_sync of transform_hub.client.instance: edit that, and run ``make sync``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from transform_hub.client import instance as native
from transform_hub.client.body import BINARY, Progress, Sendable
from transform_hub.client.transport import Deadline
from transform_hub.models import InstanceHealth, InstanceInfo, Terminated
from transform_hub.sync.given import progress_of, sendable
from transform_hub.sync.mirror import Mirror, mirror, original

if TYPE_CHECKING:
    from transform_hub.sync.duplex import Duplex
    from transform_hub.sync.follower import Follower
    from transform_hub.sync.host import HostClient
    from transform_hub.sync.reader import Reader
    from transform_hub.sync.writer import Writer


class InstanceClient(Mirror, of=native.InstanceClient):
    """Talks to a Hub about one Instance, and carries its streams.

    Args:
        id: of the Instance.
        host: the client of its Hub.
    """

    _async: native.InstanceClient

    def __init__(self, id: str, host: HostClient) -> None:
        self._stand_for(self._native_class(id, original(host)))

    @property
    def id(self) -> str:
        return self._async.id

    @property
    def host(self) -> HostClient:
        return mirror(self._async.host)

    def get_info(self) -> InstanceInfo:
        """Look at the Instance: ``GET /instance/:id``.

        Raises:
            NotFoundError: it is not there; ended ones are forgotten after a while.
        """
        return self._run(self._async.get_info())

    def get_health(self) -> InstanceHealth:
        """Ask what the Instance last said of its health: ``GET /instance/:id/health``."""
        return self._run(self._async.get_health())

    def wait(self, timeout: float | None = None) -> Terminated:
        """Wait until the Instance has ended: ``GET /instance/:id``, and a stream of events that ends with it.

        Args:
            timeout: seconds to wait; None is no limit.

        Returns:
            Its exit code and the reason.

        Raises:
            NotFoundError: it is not there.
            InstanceGoneError: it was there, and the Hub forgot it before it told how it ended.
            InstanceTimeoutError: it did not end in time; it goes on.
        """
        return self._run(self._async.wait(timeout))

    def wait_running(self, timeout: float | None = None) -> InstanceInfo:
        """Wait until the Instance runs: ``GET /instance/:id``.

        Args:
            timeout: seconds to wait; None is no limit.

        Returns:
            What it is then.

        Raises:
            NotFoundError: it is not there.
            InstanceEndedError: it has ended; has exit code and reason.
            InstanceTimeoutError: it does not run in time.
        """
        return self._run(self._async.wait_running(timeout))

    def restart(self, timeout: float | None = None) -> InstanceClient:
        """Kill the Instance, and start one with the same id, arguments, configuration, topics and restart policy.

        It takes as long as the Hub needs to forget the old one: 16 s on STH, and if it has ended by itself, as
        long as ended Instances are kept there.

        Args:
            timeout: seconds to wait until the Hub has forgotten it; None is no limit.

        Returns:
            The new Instance.

        Raises:
            NotFoundError: it, or its Sequence, is not there.
            InstanceTimeoutError: the Hub still has it; no new one was started.
        """
        return mirror(self._run(self._async.restart(timeout)))

    def stop(self, timeout: int = 7000, can_keep_alive: bool = False) -> InstanceInfo:
        """Ask the Instance to stop, and kill it if it has not: ``POST /instance/:id/_stop``.

        Args:
            timeout: ms that it has.
            can_keep_alive: whether it may ask for more time.

        Returns:
            What it is then.

        Raises:
            NotFoundError: it is not there.
            HubTimeoutError: the Hub answered neither in this time nor in that of another call.
        """
        return self._run(self._async.stop(timeout, can_keep_alive))

    def kill(self, *, remove_immediately: bool = False) -> InstanceInfo:
        """End the Instance without asking it: ``POST /instance/:id/_kill``.

        Args:
            remove_immediately: let the Hub forget it at once.

        Raises:
            NotFoundError: it is not there.
        """
        return self._run(self._async.kill(remove_immediately=remove_immediately))

    def set_monitoring_rate(self, per_second: float) -> None:
        """Set how often the Instance tells its health: ``POST /instance/:id/_monitoring_rate``.

        Args:
            per_second: times in a second.
        """
        self._run(self._async.set_monitoring_rate(per_second))

    def send_event(self, name: str, message: Any = "") -> None:
        """Send an event to the Instance: ``POST /instance/:id/_event``.

        Args:
            name: of the event.
            message: any JSON value.
        """
        self._run(self._async.send_event(name, message))

    def get_event(self, name: str, timeout: float | None = None) -> Any:
        """Get the last message of an event, or wait for the first: ``GET /instance/:id/event/:name``.

        Args:
            name: of the event.
            timeout: seconds to wait; None is no limit.

        Returns:
            The message.

        Raises:
            HubTimeoutError: there was none in time.
            NotFoundError: the Instance is not there, or has ended without one.
        """
        return self._run(self._async.get_event(name, timeout))

    def get_next_event(self, name: str, timeout: float | None = None) -> Any:
        """Wait for the next message of an event: ``GET /instance/:id/once/:name``; see :meth:`get_event`."""
        return self._run(self._async.get_next_event(name, timeout))

    def get_event_stream(self, name: str, *, idle_timeout: Deadline = "default") -> Reader:
        """Read the future messages of an event, with ``.json()``: ``GET /instance/:id/events/:name``.

        Args:
            name: of the event.
            idle_timeout: seconds without one; None is no limit, ``default`` the client's.
        """
        return mirror(self._async.get_event_stream(name, idle_timeout=idle_timeout))

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
            MethodNotAllowedError: the Instance reads a topic.
            InstanceEndedError: it ended before it had everything.
        """
        self._run(
            self._async.send_input(sendable(data), content_type=content_type, end=end, progress=progress_of(progress))
        )

    def open_input(self, content_type: str = BINARY, *, end: bool = True) -> Writer:
        """Write to the Instance's input piece by piece: ``POST /instance/:id/input``.

        Args:
            content_type: of what is written.
            end: end the input when the writer is closed.
        """
        return mirror(self._async.open_input(content_type, end=end))

    def send_stdin(self, data: Sendable, *, end: bool = True, progress: Progress | None = None) -> None:
        """Send data to the Instance's stdin: ``POST /instance/:id/stdin``; see :meth:`send_input`."""
        self._run(self._async.send_stdin(sendable(data), end=end, progress=progress_of(progress)))

    def open_stdin(self, *, end: bool = True) -> Writer:
        """Write to the Instance's stdin piece by piece: ``POST /instance/:id/stdin``."""
        return mirror(self._async.open_stdin(end=end))

    def get_output(self, *, idle_timeout: Deadline = "default", progress: Progress | None = None) -> Reader:
        """Read what the Sequence returns: ``GET /instance/:id/output``.

        Args:
            idle_timeout: seconds that it may be silent; None is no limit, ``default`` the client's.
            progress: told after each chunk how many bytes have come.
        """
        return mirror(self._async.get_output(idle_timeout=idle_timeout, progress=progress_of(progress)))

    def get_stdout(self, *, idle_timeout: Deadline = "default", progress: Progress | None = None) -> Reader:
        """Read what the Instance prints: ``GET /instance/:id/stdout``; see :meth:`get_output`."""
        return mirror(self._async.get_stdout(idle_timeout=idle_timeout, progress=progress_of(progress)))

    def get_stderr(self, *, idle_timeout: Deadline = "default", progress: Progress | None = None) -> Reader:
        """Read what the Instance writes to stderr: ``GET /instance/:id/stderr``; see :meth:`get_output`."""
        return mirror(self._async.get_stderr(idle_timeout=idle_timeout, progress=progress_of(progress)))

    @overload
    def get_log(self, *, follow: Literal[False] = ..., idle_timeout: Deadline = ...) -> Reader: ...

    @overload
    def get_log(self, *, follow: Literal[True], idle_timeout: Deadline = ...) -> Follower: ...

    def get_log(self, *, follow: bool = False, idle_timeout: Deadline = "default") -> Reader | Follower:
        """Read the Instance's log, one JSON object a line: ``GET /instance/:id/log``.

        Args:
            follow: connect again when the connection is lost; the reader then gives a :class:`Gap` there. It
                ends with the Instance.
            idle_timeout: seconds that it may be silent; None is no limit, ``default`` the client's.
        """
        native: Any = self._async
        return mirror(native.get_log(follow=follow, idle_timeout=idle_timeout))

    def inout(self, content_type: str = BINARY, *, end: bool = True, idle_timeout: Deadline = "default") -> Duplex:
        """Write the input and read the output at the same time: ``POST /instance/:id/inout``.

        Args:
            content_type: of what is written.
            end: end the input with ``close_input``; STH does not do that.
            idle_timeout: seconds that the output may be silent; None is no limit, ``default`` the client's.
        """
        return mirror(self._async.inout(content_type, end=end, idle_timeout=idle_timeout))
