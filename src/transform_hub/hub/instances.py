"""Instances: running Sequences, their states and their streams.

                    ┌──────────── kept alive ───────────┐
                    v                                   │
    initializing ─> starting ─> running ─ stop ─> stopping ─┐
          │            │           │                 │      │ kill
          │            │           └───── kill ──────┴──────┴──> killing
          v            v           v                 v             v
          └────────────┴───────────┴──── exit ───────┴─────────────┘
                                   │
                       completed | errored ── retention ──> gone

A runner's exit is known from three sources: its own last message (code and error), the runtime (exit code or
signal), and the end of its control channel. The Instance has ended when the process is gone and all it said
before has been read.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgspec

from transform_hub import protocol
from transform_hub.hub.channel import Channel
from transform_hub.hub.errors import ApiError
from transform_hub.hub.events import Events
from transform_hub.hub.link import Control, LogSource, Sink, Source
from transform_hub.hub.runtimes import Exit, Runtime
from transform_hub.models import (
    ENDED,
    InstanceInfo,
    InstanceStatus,
    LogEntry,
    SequenceInfo,
    StartRequest,
    Terminated,
)

log = logging.getLogger(__name__)

TRANSITIONS: dict[InstanceStatus, tuple[InstanceStatus, ...]] = {
    "initializing": ("starting", "killing", "completed", "errored"),
    "starting": ("running", "stopping", "killing", "completed", "errored"),
    "running": ("stopping", "killing", "completed", "errored"),
    "stopping": ("running", "killing", "completed", "errored"),
    "killing": ("completed", "errored"),
    "completed": ("gone",),
    "errored": ("gone",),
    "gone": (),
}

CONNECT_TIMEOUT = 30.0
"""Seconds a runner has to dial in."""

START_ANSWER = 5.0
"""Seconds that a start is answered at the latest after the runner dialled in, loaded or not."""

KILL_GRACE = 2.0
"""Seconds between asking a runner to end and ending its process."""


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Instance:
    """One run of a Sequence.

    Args:
        sequence: what runs; ``request``: with which arguments.
        runtime: where its process is started.
        retention: seconds that it is kept after its end.
        on_event: called with the Instance, event name and message for each event it emits.
        on_gone: called when it is no longer kept.
    """

    def __init__(
        self,
        instance_id: str,
        sequence: SequenceInfo,
        request: StartRequest,
        *,
        runtime: Runtime,
        retention: float,
        on_event: Callable[[Instance, str, Any], None],
        on_topic: Callable[[Instance, str, dict[str, str]], None],
        on_gone: Callable[[Instance], object],
    ) -> None:
        self.id = instance_id
        self.sequence = sequence
        self.request = request
        self.secret = secrets.token_hex(16)
        self.status: InstanceStatus = "initializing"
        self.streams = {name: Channel() for name in ("output", "stdout", "stderr")}
        self.log = Channel(history=True)
        self.events = Events()
        self.stdin: Sink | None = None
        self.input: Sink | None = None
        self.input_type: str | None = None
        self.provides: str | None = None
        self.requires: str | None = None
        self.started_at: str | None = None
        self.ended_at: str | None = None
        self.created_at = _now()
        self.terminated: Terminated | None = None
        self.error: str | None = None
        self.ended = asyncio.Event()
        self._runtime = runtime
        self._retention = retention
        self._on_event, self._on_topic, self._on_gone = on_event, on_topic, on_gone
        self._control: Control | None = None
        self._attached: dict[str, asyncio.Protocol] = {}
        self._changed = asyncio.Event()
        self._health: dict[str, Any] | None = None
        self._pid: int | None = None
        self._exit: Exit | None = None
        self._exit_message: protocol.Message | None = None
        self._loaded: protocol.Message | None = None
        self._kept_alive = False
        self._control_lost = False
        self._log_open = False
        self._timers: list[asyncio.TimerHandle] = []
        self.at_end: list[Callable[[], object]] = []

    # --- what it is ---------------------------------------------------------------------------------------

    def info(self) -> InstanceInfo:
        """The Instance as ``GET /instance/:id`` gives it."""
        sequence = SequenceInfo(
            id=self.sequence.id,
            name=self.sequence.name,
            config=self.sequence.config,
            location=self.sequence.location,
        )
        return InstanceInfo(
            id=self.id,
            app_config=self.request.app_config,
            args=self.request.args,
            provides=self.provides,
            requires=self.requires,
            sequence=sequence,
            created=self.created_at,
            started=self.started_at,
            ended=self.ended_at,
            status=self.status,
            terminated=self.terminated,
            error=self.error,
        )

    async def health(self) -> dict[str, Any]:
        """The latest health message; waits for the first."""
        while self._health is None and not self.ended.is_set():
            await self._next_change()
        return {"healthy": False, **(self._health or {}), "processId": self._pid}

    def note(self, level: str, message: str) -> None:
        """Write an entry of the Hub into the Instance's log."""
        entry = LogEntry(ts=int(time.time() * 1000), level=level, msg=message, from_="Hub")
        self._write_log(msgspec.json.encode(entry) + b"\n")

    def _write_log(self, line: bytes) -> None:
        if not self.log.closed:
            self.log.feed(line)

    def _set_status(self, status: InstanceStatus) -> None:
        assert status in TRANSITIONS[self.status], f"{self.status} -> {status}"
        self.status = status
        self.note("DEBUG", f"The Instance is {status}")
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _next_change(self) -> None:
        await self._changed.wait()

    # --- start --------------------------------------------------------------------------------------------

    async def start(self, spec: protocol.Message) -> None:
        """Launch the runner and wait until the Sequence runs (or has failed, or takes long to load).

        Raises:
            ApiError: the runner ended, or did not dial in, before it could be an Instance.
        """
        self._after(CONNECT_TIMEOUT, self._give_up)
        await self._runtime.launch({**spec, "id": self.id, "secret": self.secret}, self._on_exit)
        while self.status == "initializing":
            await self._next_change()
        if len(self._attached) < len(protocol.CHANNELS):
            raise ApiError(400, self.error or "The runner did not connect to the Hub")
        try:
            await asyncio.wait_for(self._until_loaded(), START_ANSWER)
        except asyncio.TimeoutError:
            self.note("INFO", "The Sequence is still being loaded")

    async def _until_loaded(self) -> None:
        while self.status == "starting":
            await self._next_change()

    def _give_up(self) -> None:
        if self.status == "initializing":
            self.error = f"The runner did not connect to the Hub within {CONNECT_TIMEOUT:.0f} s"
            self._runtime.kill(self.id)

    def attach(self, hello: protocol.Message, transport: asyncio.Transport) -> asyncio.Protocol | None:
        """The runner has dialled one of its channels; None refuses it."""
        channel = hello["channel"]
        if channel in self._attached or self.status in ENDED:
            return None
        self._pid = hello.get("pid")
        protocol_ = self._protocol(channel, transport)
        self._attached[channel] = protocol_
        if len(self._attached) == len(protocol.CHANNELS) and self.status == "initializing":
            self.started_at = _now()
            self._set_status("starting")
            self._announce()
        return protocol_

    def _protocol(self, channel: str, transport: asyncio.Transport) -> asyncio.Protocol:
        if channel == "control":
            self._control = Control(transport, self._receive, self._on_control_lost)
            return self._control
        if channel == "log":
            self._log_open = True
            return LogSource(self._write_log, self._on_log_lost)
        if channel == "stdin":
            self.stdin = Sink(transport)
            return self.stdin
        if channel == "input":
            self.input = Sink(transport)
            return self.input
        return Source(transport, self.streams[channel], lambda stalled: self._stalled(channel, stalled=stalled))

    def _stalled(self, channel: str, *, stalled: bool) -> None:
        if stalled and self.streams[channel].readers == 0:
            self.note("WARN", f"{channel} is full and nobody reads it: the Sequence waits when it writes more")

    # --- messages -----------------------------------------------------------------------------------------

    def _receive(self, message: protocol.Message) -> None:
        kind = message["type"]
        if kind == "health":
            self._health = message["health"]
            self._notify()
        elif kind == "event":
            self.events.publish(message["eventName"], message.get("message"))
            self._on_event(self, message["eventName"], message.get("message"))
        elif kind == "running":
            self._loaded = message
            self._announce()
        elif kind == "topic":
            self._route_topics(message)
        elif kind == "alive":
            self._kept_alive = True
            self._notify()
        elif kind == "exit":
            self._exit_message = message

    def _announce(self) -> None:
        """Running begins when the Sequence is loaded and all channels are there, whichever comes last."""
        if self._loaded is not None and self.status == "starting":
            self._route_topics(self._loaded)
            self._set_status("running")

    def _route_topics(self, message: protocol.Message) -> None:
        renamed = {"provides": self.request.output_topic, "requires": self.request.input_topic}
        for kind, new_name in renamed.items():
            topic = message.get(kind)
            if topic is None:
                continue
            topic = {**topic, "topic": new_name or topic["topic"]}
            setattr(self, kind, topic["topic"])
            self._on_topic(self, kind, topic)

    def send_event(self, name: str, message: Any, source: str) -> None:
        """Deliver an event to the Sequence."""
        self._send({"type": "event", "eventName": name, "message": message, "source": source})

    def set_monitoring_rate(self, per_second: float) -> None:
        """Set how often the runner reports its health."""
        self._send({"type": "rate", "perSecond": per_second})

    def announce_input(self, content_type: str) -> None:
        """Tell the Sequence what its input is; only the first time counts."""
        if self.input_type is None:
            self.input_type = content_type
            self._send({"type": "input", "contentType": content_type})

    def _send(self, message: protocol.Message) -> None:
        if self._control is not None:
            self._control.send(message)

    # --- stop and kill ------------------------------------------------------------------------------------

    async def stop(self, timeout_ms: int, *, can_keep_alive: bool) -> None:
        """Ask the Sequence to stop; kill it if it has neither ended nor asked to go on when the time is over."""
        if self.status in ("starting", "running"):
            self._set_status("stopping")
        if self.status == "initializing":
            self.kill()
        if self.status == "stopping":
            self._kept_alive = False
            self._send({"type": "stop", "timeout": timeout_ms, "canCallKeepalive": can_keep_alive})
            try:
                await asyncio.wait_for(self._until_stopped(can_keep_alive=can_keep_alive), timeout_ms / 1000)
            except asyncio.TimeoutError:
                self.note("WARN", f"The Sequence did not stop within {timeout_ms} ms and is killed")
                self.kill()
        if self.status == "killing":
            await self.ended.wait()

    async def _until_stopped(self, *, can_keep_alive: bool) -> None:
        while self.status == "stopping":
            if self._kept_alive and can_keep_alive:
                self._set_status("running")
                return
            await self._next_change()

    def kill(self, *, remove_immediately: bool = False) -> None:
        """End the Instance at once; may be called in any state, any number of times."""
        if remove_immediately:
            self._retention = 0
            if self.status in ENDED:
                self.discard()
        if self.status in ENDED or self.status == "killing":
            return
        connected = self._control is not None
        self._set_status("killing")
        self._send({"type": "kill"})
        self._after(KILL_GRACE if connected else 0, lambda: self._runtime.kill(self.id))

    # --- end ----------------------------------------------------------------------------------------------

    def _on_exit(self, exit_: Exit) -> None:
        self._exit = exit_
        self._check_end()

    def _on_control_lost(self) -> None:
        self._control_lost = True
        self._check_end()
        if self.status not in ENDED:  # without control nobody could stop it
            self._after(KILL_GRACE, lambda: self._runtime.kill(self.id))

    def _on_log_lost(self) -> None:
        self._log_open = False
        self._close_log()

    def _close_log(self) -> None:
        """The log ends when the runner's last entry and the Hub's own are in it."""
        if self.status in ENDED and not self._log_open:
            self.log.close()

    def _check_end(self) -> None:
        if self._exit is None or self.status in ENDED:
            return
        if self._control is not None and not self._control_lost:
            return
        status, self.terminated, error = self._verdict(self._exit)
        self.error = self.error or error
        self.ended_at = _now()
        self._set_status(status)
        if self.error:
            self.note("ERROR", self.error)
        self._cancel_timers()
        for call in self.at_end:
            call()
        self._close_unattached()
        self._close_log()
        self.events.close()
        self.ended.set()
        self._after(self._retention, self.discard)

    def _verdict(self, exit_: Exit) -> tuple[InstanceStatus, Terminated, str | None]:
        """The status, exit code and reason that an end amounts to."""
        error = None
        if self._exit_message is not None:
            code, error = self._exit_message["code"], self._exit_message.get("error")
        elif self.status == "killing":
            code = protocol.EXIT_KILLED
        elif exit_.signal is not None:
            words = f"Runner killed by {signal.Signals(exit_.signal).name}"
            return "errored", Terminated(exitcode=128 + exit_.signal, reason=words), words
        elif exit_.code == protocol.EXIT_OK:  # os._exit(0) in the Sequence
            code = protocol.EXIT_OK
        else:
            code = protocol.EXIT_RUNNER_FAILED if exit_.code is None else exit_.code
            reason = protocol.EXIT_REASONS[protocol.EXIT_RUNNER_FAILED]
            return "errored", Terminated(exitcode=code, reason=reason), f"{reason}: it ended without a word"
        expected = code in (protocol.EXIT_OK, protocol.EXIT_KILLED, protocol.EXIT_STOPPED)
        reason = protocol.EXIT_REASONS.get(code, protocol.EXIT_REASONS[protocol.EXIT_FAILED])
        return ("completed" if expected else "errored"), Terminated(exitcode=code, reason=reason), error

    def _close_unattached(self) -> None:
        """Channels that were dialled end when all in them is read; the others would never."""
        for name, channel in self.streams.items():
            if name not in self._attached:
                channel.close()

    def discard(self) -> None:
        """Forget the Instance and what it left unread; ends its process if there still is one."""
        if self.status == "gone":
            return
        if self.status not in ENDED:
            self._runtime.kill(self.id)
        self.status = "gone"
        self._cancel_timers()
        for channel in (*self.streams.values(), self.log):
            channel.discard()
        self._on_gone(self)

    def _after(self, seconds: float, call: Callable[[], object]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
