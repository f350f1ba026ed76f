"""What a Sequence is given as its ``context``."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from transform_hub.protocol import Message, encode

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

Health = dict[str, Any] | bool
StopHandler = Callable[[float, bool], Awaitable[None] | None]
KillHandler = Callable[[], Awaitable[None] | None]
HealthCheck = Callable[[], Awaitable[Health] | Health]
Listener = Callable[[Any], Any]

TRACE = 5
logging.addLevelName(TRACE, "TRACE")

_source: contextvars.ContextVar[str | None] = contextvars.ContextVar("event source", default=None)


class Context:
    """The Sequence's view of its Instance and Hub, as in STH's Python runner.

    Attributes:
        config: the ``appConfig`` the Instance was started with.
        instance_id: the Instance's id.
        logger: a standard library logger; its entries are in the Instance's log.
    """

    def __init__(self, spec: dict[str, Any], send: Callable[[Message], None]) -> None:
        self.config: dict[str, Any] = spec.get("config") or {}
        self.instance_id: str = spec["id"]
        self.logger = logging.getLogger("PythonRunner")
        self._spec = spec
        self._send = send
        self._hub: HostClient | None = None
        self._listeners: dict[str, list[Listener]] = {}
        self._stop_handlers: list[StopHandler] = []
        self._kill_handlers: list[KillHandler] = []
        self._health_checks: list[HealthCheck] = []
        self._stopping = False
        self._keep_alive_calls = 0

    @property
    def hub(self) -> HostClient:
        """A client of the Hub that the Instance runs on; it may do there what it likes while the Instance runs."""
        if self._hub is None:
            # Not before: it brings packages along, which only a Sequence that uses it should have to live with.
            from transform_hub.client.host import HostClient  # noqa: PLC0415

            self._hub = HostClient(self._spec["hub"], token=f"{self.instance_id}:{self._spec['secret']}")
        return self._hub

    def on(self, event_name: str, callback: Listener | None = None) -> Any:
        """Call ``callback(message)``, sync or async, for each event of that name; also usable as decorator."""
        if callback is None:
            return lambda function: self.on(event_name, function)
        self._listeners.setdefault(event_name, []).append(callback)
        return callback

    @property
    def event_source(self) -> str | None:
        """In a listener: the id of the Instance that emitted the event, ``"api"`` if it came over the API."""
        return _source.get()

    def emit(self, event_name: str, message: Any = "") -> None:
        """Send an event to the Hub and, through it, to the other Instances; ``message`` is any JSON value.

        Raises:
            TypeError: ``message`` is no JSON value.
        """
        self._send({"type": "event", "eventName": event_name, "message": message})

    def set_stop_handler(self, handler: StopHandler) -> None:
        """Call ``handler(timeout_s, can_keep_alive)``, sync or async, when the Instance is asked to stop.

        Several handlers may be set; they are called in that order.
        """
        self._stop_handlers.append(handler)

    add_stop_handler = set_stop_handler

    def set_kill_handler(self, handler: KillHandler) -> None:
        """Call ``handler()``, sync or async, before the Instance is killed.

        Several handlers may be set. All together they have a second; the kill waits no longer.
        """
        self._kill_handlers.append(handler)

    add_kill_handler = set_kill_handler

    def set_health_check(self, check: HealthCheck) -> None:
        """Call ``check()``, sync or async, for each heartbeat; its dict is the answer of ``/health``."""
        self._health_checks = [check]

    def add_monitoring_handler(self, check: HealthCheck) -> None:
        """Like :meth:`set_health_check`, in addition to those that are there.

        The answer of ``/health`` has what all of them say, a bool or a dict; it is healthy if all say so.
        """
        self._health_checks.append(check)

    async def keep_alive(self, timeout: float = 0) -> None:
        """Ask to go on instead of being killed after a stop, then sleep ``timeout`` seconds."""
        self._stopping = False
        self._keep_alive_calls += 1
        self._send({"type": "alive", "keepAlive": int(timeout * 1000)})
        await asyncio.sleep(timeout)

    # What follows is called by the runner, not by Sequences.

    async def _deliver(self, event_name: str, message: Any, source: str | None = None) -> None:
        _source.set(source)  # each delivery is a task, and so has a context of its own
        for listener in list(self._listeners.get(event_name, ())):
            try:
                await _maybe_await(listener(message))
            except Exception:
                self.logger.exception("The listener for event %r failed", event_name)

    async def _stop(self, timeout_s: float, can_keep_alive: bool) -> bool:
        """Call the stop handlers; True if the Sequence wants to go on."""
        calls_before = self._keep_alive_calls
        for handler in list(self._stop_handlers):
            try:
                await _maybe_await(handler(timeout_s, can_keep_alive))
            except Exception:
                self.logger.exception("A stop handler failed")
        self._stopping = False
        return can_keep_alive and self._keep_alive_calls > calls_before

    async def _kill(self) -> None:
        """Call the kill handlers, all at once."""
        await asyncio.gather(*(self._call_kill_handler(handler) for handler in self._kill_handlers))

    async def _call_kill_handler(self, handler: KillHandler) -> None:
        try:
            await _maybe_await(handler())
        except Exception:
            self.logger.exception("A kill handler failed")

    async def _health(self) -> dict[str, Any]:
        """What the health checks say, in one; a failing check is reported as unhealthy."""
        health: dict[str, Any] = {"healthy": True}
        for check in list(self._health_checks):
            try:
                result = await _maybe_await(check())
                said = {"healthy": result} if isinstance(result, bool) else {**json.loads(json.dumps(result or {}))}
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the health check's failure
                said = {"healthy": False, "error": f"{type(error).__name__}: {error}"}
            health = {**health, **said, "healthy": health["healthy"] and said.get("healthy", True)}
        return health

    async def _close(self) -> None:
        """Close what it has opened."""
        if self._hub is not None:
            await self._hub.close()


async def _maybe_await(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


class LinkLogHandler(logging.Handler):
    """Writes log records to the link's log channel, from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = self.format(record)
            level = "WARN" if record.levelname == "WARNING" else record.levelname
            entry = {"ts": int(record.created * 1000), "level": level, "from": record.name, "msg": message}
            self._sock.sendall(encode(entry))  # handle() holds this handler's lock
        except Exception:  # noqa: BLE001 - logging must never break the Sequence
            self.handleError(record)
