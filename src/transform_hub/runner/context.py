"""The ``context`` of a Sequence."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from transform_hub.protocol import Message, encode, listens, require_bounded
from transform_hub.runner import apart, sequence
from transform_hub.runner.health import Health, HealthCheck
from transform_hub.runner.log import LOGGER
from transform_hub.runner.secrets import Secrets
from transform_hub.runner.serialize import plain

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient

StopHandler = Callable[[float, bool], object] | Callable[[float], object] | Callable[[], object]
KillHandler = Callable[[], object]
Listener = Callable[[Any], object]
AListener = TypeVar("AListener", bound=Listener)
Result = TypeVar("Result")

_source: contextvars.ContextVar[str | None] = contextvars.ContextVar("event source", default=None)


class Context:
    """The Sequence's view of its Instance and Hub, as in STH's Python runner.

    Attributes:
        config: the ``appConfig`` the Instance was started with.
        instance_id: the Instance's id.
        logger: a standard library logger; its entries are in the Instance's log.
        log_handler: what writes entries to the log, for other libraries: ``loguru.logger.add(context.log_handler)``.
        secrets: the secrets the Instance was started with; its ``repr`` shows the names only.
        data_dir: directory of the Instance, kept over its restarts and deleted with it.
        cache_dir: directory that the Instances of the Sequence share; it may be emptied between two runs.
    """

    log_handler: logging.Handler

    def __init__(self, spec: dict[str, Any], send: Callable[[Message], None], health: Health) -> None:
        self.config: dict[str, Any] = spec.get("config") or {}
        self.instance_id: str = spec["id"]
        self.logger = LOGGER
        self.secrets: Mapping[str, str] = Secrets(spec["secrets"])
        self.data_dir = Path(spec["data_dir"])
        self.cache_dir = Path(spec["cache_dir"])
        self._api, self._token = spec["hub"], f"{spec['id']}:{spec['secret']}"
        self._root, self._main = Path(spec["dir"]), Path(spec["dir"], spec["main"])
        self._send = send
        self._hub: HostClient | None = None
        self._listeners: dict[str, list[Listener]] = {}
        self._has_told_listeners = False
        self._stop_handlers: list[StopHandler] = []
        self._kill_handlers: list[KillHandler] = []
        self._health = health
        self._stopping = False
        self._keep_alive_calls = 0

    @property
    def hub(self) -> HostClient:
        """A client of the Hub that the Instance runs on; it may use the whole API while the Instance runs."""
        if self._hub is None:
            self._hub = apart.host_client(sequence.folders(self._root, self._main))(self._api, token=self._token)
        return self._hub

    @overload
    def on(self, event_name: str) -> Callable[[AListener], AListener]: ...
    @overload
    def on(self, event_name: str, callback: Callable[[Any], Result]) -> Callable[[Any], Result]: ...
    def on(self, event_name: str, callback: Listener | None = None) -> Any:
        """Call ``callback(message)``, sync or async, for each event of that name; also usable as decorator."""
        if callback is None:
            return lambda function: self.on(event_name, function)
        is_new = event_name not in self._listeners
        self._listeners.setdefault(event_name, []).append(callback)
        if is_new and self._has_told_listeners:
            self._tell_listeners([event_name])
        return callback

    @property
    def event_source(self) -> str | None:
        """In a listener: the id of the Instance that emitted the event, or ``"api"``."""
        return _source.get()

    def emit(self, event_name: str, message: Any = "") -> None:
        """Send an event to the Hub and, through it, to the other Instances.

        Args:
            event_name: which listeners to call.
            message: any value that an output may have; NaN and infinities become None.

        Raises:
            UnserializableError: ``message`` is not JSON serializable; a TypeError.
            ValueError: it has more than 4 MiB, or than 200,000 values.
        """
        event = {"type": "event", "eventName": event_name, "message": plain(message)[0]}
        try:
            require_bounded(encode(event))
        except ValueError as error:
            words = f"the event {event_name!r} can't be sent: {error}; large data is for output and topics"
            raise ValueError(words) from None
        self._send(event)

    def set_stop_handler(self, handler: StopHandler) -> None:
        """Call ``handler(timeout_s, can_keep_alive)``, sync or async, when the Instance is asked to stop.

        It may take fewer parameters, or none. Several handlers are called in the order they were set. After them the
        input ends, and ``run`` has the rest of the timeout to come to its end.
        """
        self._stop_handlers.append(handler)

    add_stop_handler = set_stop_handler

    def set_kill_handler(self, handler: KillHandler) -> None:
        """Call ``handler()``, sync or async, before the Instance is killed.

        Several handlers may be set; the kill waits one second for all of them.
        """
        self._kill_handlers.append(handler)

    add_kill_handler = set_kill_handler

    def set_health_check(self, check: HealthCheck) -> None:
        """Call ``check()``, sync or async, for each heartbeat; ``/health`` answers with its dict or bool."""
        self._health.set_checks(check)

    def add_monitoring_handler(self, check: HealthCheck) -> None:
        """Like :meth:`set_health_check`, in addition to other checks.

        ``/health`` merges the answers; the Instance is healthy if all checks say so.
        """
        self._health.add_check(check)

    def keep_alive(self, timeout: float = 0) -> Coroutine[Any, Any, None]:
        """In a stop handler, sync or async: ask to go on instead of being stopped.

        It is asked at once, awaited or not.

        Args:
            timeout: in seconds.

        Returns:
            What sleeps so long when it is awaited.
        """
        self._stopping = False
        self._keep_alive_calls += 1
        self._send({"type": "alive", "keepAlive": int(timeout * 1000)})
        return Sleep(timeout)

    # The rest is for the runner.

    def _tell_listeners(self, names: Iterable[str] | None = None) -> None:
        """Tell the Hub, which sends all events until then, what is listened to: all by default."""
        self._has_told_listeners = True  # first: threads may call on() meanwhile
        self._send(listens([name for name in names or [*self._listeners] if isinstance(name, str)]))

    async def _deliver(self, event_name: str, message: Any, source: str | None = None) -> None:
        _source.set(source)  # each delivery is a task with its own context
        for listener in list(self._listeners.get(event_name, ())):
            try:
                await _maybe_await(listener(message))
            except Exception:
                self.logger.exception("The listener for event %r failed", event_name)

    async def _stop(self, timeout_s: float, can_keep_alive: bool) -> bool:
        """Call the stop handlers; True if the Sequence goes on."""
        calls_before = self._keep_alive_calls
        for handler in list(self._stop_handlers):
            try:
                await _maybe_await(handler(*_accepted(handler, timeout_s, can_keep_alive)))
            except Exception:
                self.logger.exception("A stop handler failed")
        goes_on = can_keep_alive and self._keep_alive_calls > calls_before
        if goes_on:
            self._stopping = False
        return goes_on

    async def _kill(self) -> None:
        await asyncio.gather(*(self._call_kill_handler(handler) for handler in self._kill_handlers))

    async def _call_kill_handler(self, handler: KillHandler) -> None:
        try:
            await _maybe_await(handler())
        except Exception:
            self.logger.exception("A kill handler failed")

    async def _close(self) -> None:
        if self._hub is not None:
            await self._hub.close()


class Sleep(Coroutine[Any, Any, None]):
    """``asyncio.sleep``, but without a warning if nobody awaits it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __await__(self) -> Generator[Any, Any, None]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    @cached_property
    def _coroutine(self) -> Coroutine[Any, Any, None]:
        return asyncio.sleep(self._seconds)


async def _maybe_await(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _accepted(function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    """As many of the arguments as the function takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some builtins don't tell
        return arguments
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return arguments
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return arguments[: sum(parameter.kind in positional for parameter in parameters)]
