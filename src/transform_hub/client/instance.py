"""An Instance on a Hub, seen from outside."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from transform_hub.client import life
from transform_hub.client.address import segment
from transform_hub.client.body import BINARY, Body, Progress, Sendable, body_of
from transform_hub.client.duplex import Duplex
from transform_hub.client.follower import Follower
from transform_hub.client.reader import Reader
from transform_hub.client.transport import Deadline
from transform_hub.client.writer import Writer
from transform_hub.errors import BadRequestError, NotFoundError, StreamError
from transform_hub.models import InstanceHealth, InstanceInfo, KillRequest, StopRequest, Terminated

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

T = TypeVar("T")

EVENT_CODE = 5001
"""What the Hub's control messages call an event."""

MONITORING_RATE_CODE = 4003
"""What they call a monitoring rate."""


class InstanceClient:
    """Talks to a Hub about one Instance, and carries its streams.

    Args:
        id: of the Instance.
        host: the client of its Hub.
    """

    def __init__(self, id: str, host: HostClient) -> None:
        self.path = f"/instance/{segment(id, 'an Instance id')}"
        self.id = id
        self.host = host

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r}, {self.host!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InstanceClient):
            return NotImplemented
        return (self.id, self.host.url) == (other.id, other.host.url)

    def __hash__(self) -> int:
        return hash((InstanceClient, self.id, self.host.url))

    async def get_info(self) -> InstanceInfo:
        """Look at the Instance: ``GET /instance/:id``.

        Raises:
            NotFoundError: it is not there; ended ones are forgotten after a while.
        """
        return await self._call("GET", self.path, InstanceInfo)

    async def get_health(self) -> InstanceHealth:
        """Ask what the Instance last said of its health: ``GET /instance/:id/health``."""
        return InstanceHealth.of(await self._call("GET", f"{self.path}/health", dict[str, Any]))

    async def wait(self, timeout: float | None = None) -> Terminated:
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
        return await life.in_time(self, life.terminated(self), timeout, "did not end")

    async def wait_running(self, timeout: float | None = None) -> InstanceInfo:
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
        return await life.in_time(self, life.running(self), timeout, "does not run")

    async def restart(self, timeout: float | None = None) -> InstanceClient:
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
        info = await self.get_info()
        with contextlib.suppress(BadRequestError, NotFoundError):  # STH, when it has ended
            await self.kill(remove_immediately=True)
        await life.in_time(self, life.gone(self), timeout, "was not forgotten")
        return await self.host.sequence(info.sequence.id).start(
            args=info.args or None,
            app_config=info.app_config or None,
            instance_id=self.id,
            input_topic=info.requires or None,
            output_topic=info.provides or None,
            restart=info.restart_policy,
        )

    async def stop(
        self,
        timeout: int = 7000,
        can_keep_alive: bool = False,  # noqa: FBT001, FBT002 - people call it so
    ) -> InstanceInfo:
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
        own = self.host.transport.timeout
        limit = None if own is None else own + timeout / 1000
        request = StopRequest(timeout=timeout, can_call_keepalive=can_keep_alive)
        return await self._call("POST", f"{self.path}/_stop", InstanceInfo, body=request, timeout=limit)

    async def kill(self, *, remove_immediately: bool = False) -> InstanceInfo:
        """End the Instance without asking it: ``POST /instance/:id/_kill``.

        Args:
            remove_immediately: let the Hub forget it at once.

        Raises:
            NotFoundError: it is not there.
        """
        request = KillRequest(remove_immediately=remove_immediately)
        return await self._call("POST", f"{self.path}/_kill", InstanceInfo, body=request)

    async def set_monitoring_rate(self, per_second: float) -> None:
        """Set how often the Instance tells its health: ``POST /instance/:id/_monitoring_rate``.

        Args:
            per_second: times in a second.
        """
        body = [MONITORING_RATE_CODE, {"monitoringRate": per_second}]
        await self._call("POST", f"{self.path}/_monitoring_rate", Any, body=body)

    async def send_event(self, name: str, message: Any = "") -> None:
        """Send an event to the Instance: ``POST /instance/:id/_event``.

        Args:
            name: of the event.
            message: any JSON value.
        """
        await self._send_event(name, message)

    async def get_event(self, name: str, timeout: float | None = None) -> Any:
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
        return await self._event("event", name, timeout)

    async def get_next_event(self, name: str, timeout: float | None = None) -> Any:
        """Wait for the next message of an event: ``GET /instance/:id/once/:name``; see :meth:`get_event`."""
        return await self._event("once", name, timeout)

    def get_event_stream(self, name: str, *, idle_timeout: Deadline = "default") -> Reader:
        """Read the future messages of an event, with ``.json()``: ``GET /instance/:id/events/:name``.

        Args:
            name: of the event.
            idle_timeout: seconds without one; None is no limit, ``default`` the client's.
        """
        return self._reader(f"events/{segment(name, 'an event name')}", idle_timeout)

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
            MethodNotAllowedError: the Instance reads a topic.
            InstanceEndedError: it ended before it had everything.
        """
        body = body_of(data)
        await self._send("input", body, content_type or body.content_type, end=end, progress=progress)

    def open_input(self, content_type: str = BINARY, *, end: bool = True) -> Writer:
        """Write to the Instance's input piece by piece: ``POST /instance/:id/input``.

        Args:
            content_type: of what is written.
            end: end the input when the writer is closed.
        """
        return self._writer("input", content_type, end=end)

    async def send_stdin(self, data: Sendable, *, end: bool = True, progress: Progress | None = None) -> None:
        """Send data to the Instance's stdin: ``POST /instance/:id/stdin``; see :meth:`send_input`."""
        await self._send("stdin", body_of(data), BINARY, end=end, progress=progress)

    def open_stdin(self, *, end: bool = True) -> Writer:
        """Write to the Instance's stdin piece by piece: ``POST /instance/:id/stdin``."""
        return self._writer("stdin", BINARY, end=end)

    def get_output(self, *, idle_timeout: Deadline = "default", progress: Progress | None = None) -> Reader:
        """Read what the Sequence returns: ``GET /instance/:id/output``.

        Args:
            idle_timeout: seconds that it may be silent; None is no limit, ``default`` the client's.
            progress: told after each chunk how many bytes have come.
        """
        return self._reader("output", idle_timeout, progress)

    def get_stdout(self, *, idle_timeout: Deadline = "default", progress: Progress | None = None) -> Reader:
        """Read what the Instance prints: ``GET /instance/:id/stdout``; see :meth:`get_output`."""
        return self._reader("stdout", idle_timeout, progress)

    def get_stderr(self, *, idle_timeout: Deadline = "default", progress: Progress | None = None) -> Reader:
        """Read what the Instance writes to stderr: ``GET /instance/:id/stderr``; see :meth:`get_output`."""
        return self._reader("stderr", idle_timeout, progress)

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

        def opening() -> Reader:
            return self._reader("log", idle_timeout)

        return Follower(opening, is_over=self._has_ended) if follow else opening()

    def inout(self, content_type: str = BINARY, *, end: bool = True, idle_timeout: Deadline = "default") -> Duplex:
        """Write the input and read the output at the same time: ``POST /instance/:id/inout``.

        Args:
            content_type: of what is written.
            end: end the input with ``close_input``; STH does not do that.
            idle_timeout: seconds that the output may be silent; None is no limit, ``default`` the client's.
        """
        headers = {"Content-Type": content_type, "x-end-stream": "true" if end else "false"}
        path, transport = f"{self.path}/inout", self.host.transport
        return Duplex(transport, path, headers=headers, explain=self._explain, idle_timeout=idle_timeout)

    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return await self.host.transport.call(method, path, answer, **options)

    async def _send_event(self, name: str, message: Any) -> Any:
        if not isinstance(name, str):
            raise TypeError(f"an event name is a str, not {type(name).__name__}")
        event = [EVENT_CODE, {"eventName": name, "message": message}]
        return await self._call("POST", f"{self.path}/_event", Any, body=event)

    async def _event(self, route: str, name: str, limit: float | None) -> Any:
        path = f"{self.path}/{route}/{segment(name, 'an event name')}"
        return await self._call("GET", path, Any, timeout=limit)

    def _reader(self, route: str, idle_timeout: Deadline, progress: Progress | None = None) -> Reader:
        path = f"{self.path}/{route}"
        transport = self.host.transport
        return Reader(transport, path, explain=self._explain, idle_timeout=idle_timeout, progress=progress)

    def _writer(self, route: str, content_type: str, *, end: bool, **options: Any) -> Writer:
        headers = {"Content-Type": content_type, "x-end-stream": "true" if end else "false"}
        path = f"{self.path}/{route}"
        return Writer(self.host.transport, path, headers=headers, explain=self._explain, **options)

    async def _send(
        self, route: str, body: Body, content_type: str, *, end: bool, progress: Progress | None = None
    ) -> None:
        async with self._writer(route, content_type, end=end, length=body.length, progress=progress) as writer:
            await writer.send(body)

    async def _has_ended(self) -> bool:
        try:
            return (await self.get_info()).is_ended
        except NotFoundError:
            return True

    async def _explain(self, error: StreamError) -> StreamError:
        return await life.explain(self, error)
