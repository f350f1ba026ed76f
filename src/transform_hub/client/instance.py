"""An Instance on a Hub, seen from outside."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

from transform_hub.client.address import segment
from transform_hub.client.body import BINARY, Body, Sendable, body_of
from transform_hub.client.duplex import Duplex
from transform_hub.client.streams import Reader, Writer
from transform_hub.errors import HubError, InstanceEndedError, NotFoundError, StreamError
from transform_hub.models import InstanceInfo, KillRequest, StopRequest

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

T = TypeVar("T")

EVENT_CODE = 5001
"""What the Hub's control messages call an event."""

EXPLAINING = 2.0
"""Seconds that are spent on finding out why a stream broke off."""

NOTICING = 0.1
"""Seconds that a Hub may take from losing a runner's streams to knowing that it has ended."""


class InstanceClient:
    """Talks to a Hub about one Instance, and carries its streams.

    Args:
        id: of the Instance.
        host: the client of its Hub.
    """

    def __init__(self, id: str, host: HostClient) -> None:
        self._path = f"/instance/{segment(id, 'an Instance id')}"
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
        return await self._call("GET", self._path, InstanceInfo)

    async def get_health(self) -> dict[str, Any]:
        """Ask what the Instance last said of its health: ``GET /instance/:id/health``."""
        return await self._call("GET", f"{self._path}/health", dict[str, Any])

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
        return await self._call("POST", f"{self._path}/_stop", InstanceInfo, body=request, timeout=limit)

    async def kill(self, *, remove_immediately: bool = False) -> InstanceInfo:
        """End the Instance without asking it: ``POST /instance/:id/_kill``.

        Args:
            remove_immediately: let the Hub forget it at once.

        Raises:
            NotFoundError: it is not there.
        """
        request = KillRequest(remove_immediately=remove_immediately)
        return await self._call("POST", f"{self._path}/_kill", InstanceInfo, body=request)

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

    def get_event_stream(self, name: str) -> Reader:
        """Read the future messages of an event, with ``.json()``: ``GET /instance/:id/events/:name``."""
        return self._reader(f"events/{segment(name, 'an event name')}")

    async def send_input(self, data: Sendable, *, content_type: str | None = None, end: bool = True) -> None:
        """Send data to the Instance's input: ``POST /instance/:id/input``.

        Args:
            data: bytes, str, Path, open file or iterable of chunks.
            content_type: of the data; by default the obvious one, e.g. ``text/plain`` for a str.
            end: end the input after it.

        Raises:
            MethodNotAllowedError: the Instance reads a topic.
            InstanceEndedError: it ended before it had everything.
        """
        body = body_of(data)
        await self._send("input", body, content_type or body.content_type, end=end)

    def open_input(self, content_type: str = BINARY, *, end: bool = True) -> Writer:
        """Write to the Instance's input piece by piece: ``POST /instance/:id/input``.

        Args:
            content_type: of what is written.
            end: end the input when the writer is closed.
        """
        return self._writer("input", content_type, end=end)

    async def send_stdin(self, data: Sendable, *, end: bool = True) -> None:
        """Send data to the Instance's stdin: ``POST /instance/:id/stdin``; see :meth:`send_input`."""
        await self._send("stdin", body_of(data), BINARY, end=end)

    def open_stdin(self, *, end: bool = True) -> Writer:
        """Write to the Instance's stdin piece by piece: ``POST /instance/:id/stdin``."""
        return self._writer("stdin", BINARY, end=end)

    def get_output(self) -> Reader:
        """Read what the Sequence returns: ``GET /instance/:id/output``."""
        return self._reader("output")

    def get_stdout(self) -> Reader:
        """Read what the Instance prints: ``GET /instance/:id/stdout``."""
        return self._reader("stdout")

    def get_stderr(self) -> Reader:
        """Read what the Instance writes to stderr: ``GET /instance/:id/stderr``."""
        return self._reader("stderr")

    def get_log(self) -> Reader:
        """Read the Instance's log, one JSON object a line: ``GET /instance/:id/log``."""
        return self._reader("log")

    def inout(self, content_type: str = BINARY, *, end: bool = True) -> Duplex:
        """Write the input and read the output at the same time: ``POST /instance/:id/inout``.

        Args:
            content_type: of what is written.
            end: end the input with ``close_input``; STH does not do that.
        """
        headers = {"Content-Type": content_type, "x-end-stream": "true" if end else "false"}
        return Duplex(self.host.transport, f"{self._path}/inout", headers=headers, explain=self._explain)

    async def _call(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return await self.host.transport.call(method, path, answer, **options)

    async def _send_event(self, name: str, message: Any) -> Any:
        if not isinstance(name, str):
            raise TypeError(f"an event name is a str, not {type(name).__name__}")
        event = [EVENT_CODE, {"eventName": name, "message": message}]
        return await self._call("POST", f"{self._path}/_event", Any, body=event)

    async def _event(self, route: str, name: str, limit: float | None) -> Any:
        path = f"{self._path}/{route}/{segment(name, 'an event name')}"
        return await self._call("GET", path, Any, timeout=limit)

    def _reader(self, route: str) -> Reader:
        return Reader(self.host.transport, f"{self._path}/{route}", explain=self._explain)

    def _writer(self, route: str, content_type: str, *, end: bool, length: int | None = None) -> Writer:
        headers = {"Content-Type": content_type, "x-end-stream": "true" if end else "false"}
        path = f"{self._path}/{route}"
        return Writer(self.host.transport, path, headers=headers, length=length, explain=self._explain)

    async def _send(self, route: str, body: Body, content_type: str, *, end: bool) -> None:
        async with self._writer(route, content_type, end=end, length=body.length) as writer:
            await writer.send(body)

    async def _explain(self, error: StreamError) -> StreamError:
        """If a stream broke off because the Instance ended, say so."""
        about: dict[str, Any] = {"method": error.method, "url": error.url, "request_id": error.request_id}
        try:
            info = await self._last_info()
        except NotFoundError:
            reason = "the Hub does not have it any more"
            return InstanceEndedError(f"The Instance ended; {reason}", exit_code=None, reason=reason, **about)
        except HubError:
            return error
        if not info.is_ended:
            return error
        code, reason = (info.terminated.exitcode, info.terminated.reason) if info.terminated else (None, "")
        told = f" with exit code {code}" if code is not None else ""
        reason = ", ".join(text for text in (reason, info.error) if text)
        message = f"The Instance is {info.status}{told}" + (f": {reason}" if reason else "")
        return InstanceEndedError(message, exit_code=code, reason=reason or info.status, **about)

    async def _last_info(self) -> InstanceInfo:
        """What the Instance is now, or what it becomes in the moment that a Hub needs to notice an end."""
        begun = time.monotonic()
        while True:
            call = self.host.transport.call
            info = await call("GET", self._path, InstanceInfo, timeout=EXPLAINING)
            patience = EXPLAINING if info.status in ("stopping", "killing") else NOTICING
            if info.is_ended or time.monotonic() - begun > patience:
                return info
            await asyncio.sleep(NOTICING / 5)
