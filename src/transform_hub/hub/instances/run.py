"""A run of an Instance: one runner, from its launch to its end. With a restart policy an Instance may have several.

    launch ──the runner dials its channels──> begin ──it has loaded the Sequence──> running ──> over

How it has ended is known from three sources: the runner's own last message (code and error), the runtime (exit code
or signal), and the end of the control channel. A run is over when the process is gone and all it said before has been
read.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any

from transform_hub import protocol
from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.exit_status import Verdict, judge
from transform_hub.hub.instances.lifecycle import Lifecycle
from transform_hub.hub.instances.messages import (
    Alive,
    Declared,
    Event,
    Health,
    LastWord,
    Running,
    TopicDeclaration,
    understand,
)
from transform_hub.hub.link.instance_streams import Streams
from transform_hub.hub.link.protocols import ChannelProtocol
from transform_hub.hub.reattach.records import Record, StopOrder, moment
from transform_hub.hub.runtimes.runtime import Exit, Runtime, Survivor
from transform_hub.models import StartRequest

CONNECT_TIMEOUT = 30.0
"""Seconds a runner has to dial in."""

KILL_GRACE = 2.0
"""Seconds between asking a runner to end and ending its process."""


class Run:
    """What is known of a runner, and what it is told.

    Args:
        instance_id: of the Instance that it runs; ``request``: with which arguments.
        life: the state of the Instance, which its runs lead from one to the next; ``streams``: which they share.
        runtime: where the process is started.
        on_event: called with name and message of each event that the Sequence emits.
        on_topic: called with ``provides`` or ``requires`` and the topic, when that is declared.
        on_change: called when there is something new to write down.
        on_over: called with how it has ended.
        record: what an earlier Hub has written down, for :meth:`resume`.

    Attributes:
        secret: what the runner proves itself with.
        is_over: whether it has ended, or nobody wants to know any more how it does.
        begun: when the runner had dialled all its channels, in seconds of the event loop.
        topics: what the Sequence provides and requires.
        input_type: content type of the input, once there is any.
        health: its latest heartbeat.
        stop_order: the latest stop that it was asked for.
        last_word: its last message.
    """

    def __init__(
        self,
        instance_id: str,
        request: StartRequest,
        *,
        life: Lifecycle,
        streams: Streams,
        runtime: Runtime,
        on_event: Callable[[str, Any], None],
        on_topic: Callable[[str, TopicDeclaration], None],
        on_change: Callable[[], object],
        on_over: Callable[[Verdict], None],
        record: Record | None = None,
    ) -> None:
        self._id, self._request = instance_id, request
        self._life, self._streams, self._runtime = life, streams, runtime
        self._on_event, self._on_topic, self._on_change, self._on_over = on_event, on_topic, on_change, on_over
        self.secret = record.secret if record else secrets.token_hex(16)
        self.pid = record.pid if record else None
        self.input_type = record.input_type if record else None
        self.topics: dict[str, TopicDeclaration] = {}
        self.health: dict[str, Any] | None = None
        self.begun: float | None = None
        self.stop_order: StopOrder | None = None
        self.last_word: LastWord | None = None
        self.is_over = False
        self._loaded: Running | None = None
        self._kept_alive = False
        self._deaf = False
        self._exit: Exit | None = None
        self._control_lost = False
        self._error: str | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []

    # --- begin --------------------------------------------------------------------------------------------

    async def launch(self, make_spec: Callable[[], Awaitable[protocol.Message]]) -> None:
        """Start the runner.

        Args:
            make_spec: says what it has to know.

        Raises:
            ApiError: it can't be run here, or the system refuses another process.
        """
        self._after(CONNECT_TIMEOUT, self._give_up)
        try:
            spec = {**await make_spec(), "id": self._id, "secret": self.secret}
            await self._runtime.launch(spec, self._on_exit)
        except OSError as error:
            raise ApiError(500, f"No runner could be started: {error.strerror}") from error
        if self._life.status == "killing" and self._exit is None:  # there was nothing yet that could be ended
            self._end_process()

    def _give_up(self) -> None:
        if self._life.status == "initializing":
            self._error = f"The runner did not connect to the Hub within {CONNECT_TIMEOUT:.0f} s"
            self._end_process()

    def attach(self, hello: protocol.Message, transport: asyncio.Transport) -> ChannelProtocol | None:
        """The runner has dialled one of its channels; None refuses it."""
        connected = self._streams.attach(hello["channel"], transport)
        if connected is not None:
            self.pid = hello.get("pid")
        return connected

    def begin(self) -> None:
        """All channels are there."""
        self.begun = asyncio.get_running_loop().time()
        self._life.enter("starting")
        self._runtime.hold(self._id, self._streams.descriptors)
        self._streams.send({"type": "start"})
        self._announce()

    async def resume(self, record: Record, survivor: Survivor) -> None:
        """Go on with a runner that has outlived its Hub."""
        self.begun = asyncio.get_running_loop().time() - _age(record.started)
        for name, descriptor in survivor.channels.items():
            await self._streams.adopt(name, descriptor)
        for name in record.ended_sinks:
            getattr(self._streams, name).end()  # again: it was killed before, or after, it told the runner
        if self.input_type is not None:
            self._tell_input_type()
        self._streams.note("INFO", "The Hub was away; entries that were on their way to it may be missing")
        for kind in ("provides", "requires"):
            if (topic := getattr(record, kind)) is not None:
                self._connect(kind, topic)
        self._streams.send({"type": "start"})  # whether all it has said to the earlier Hub was understood is not known
        if self._life.status == "killing":
            self.kill()
        elif self._life.status == "stopping" and record.stopping is not None:
            self._stopping = asyncio.ensure_future(self.stop(record.stopping))
        self._runtime.watch(self._id, self._on_exit)

    # --- what it says -------------------------------------------------------------------------------------

    def receive(self, line: protocol.Message) -> None:
        """Take a message of the runner."""
        try:
            message = understand(line)
        except ValueError as error:
            self._streams.note("WARN", f"A message of the runner is not understood and ignored: {error}")
            return
        if isinstance(message, Health):
            self.health = message.health
            self._life.notify()
        elif isinstance(message, Event):
            self._on_event(message.event_name, message.message)
        elif isinstance(message, Running):
            self._loaded = message
            self._announce()
        elif isinstance(message, Declared):
            self._route_topics(message)
        elif isinstance(message, Alive):
            self._kept_alive = True
            self._life.notify()
        else:
            self.last_word = message

    def _announce(self) -> None:
        """Running begins when the Sequence is loaded and all channels are there, whichever comes last."""
        if self._loaded is not None and self._life.status == "starting":
            self._route_topics(self._loaded)
            self._life.enter("running")

    def _route_topics(self, declared: Declared) -> None:
        """Connect the topics that are declared, each kind once."""
        if declared.provides is not None and "provides" not in self.topics:
            self._route("provides", declared.provides, self._request.output_topic)
        if declared.requires is not None and "requires" not in self.topics:
            self._route("requires", declared.requires, self._request.input_topic)

    def _route(self, kind: str, declared: TopicDeclaration, new_name: str | None) -> None:
        self._connect(kind, TopicDeclaration(new_name or declared.topic, declared.content_type))
        self._on_change()

    def _connect(self, kind: str, topic: TopicDeclaration) -> None:
        self.topics[kind] = topic
        self._on_topic(kind, topic)

    # --- what it is told ----------------------------------------------------------------------------------

    def send_event(self, name: str, message: Any, source: str) -> bool:
        """Deliver an event to the Sequence; False if it does not read what it was sent before."""
        control = self._streams.control
        if control is not None and control.is_full:
            if not self._deaf:
                self._streams.note("WARN", "The Sequence does not read its events: they are dropped until it does")
            self._deaf = True
            return False
        self._deaf = False
        self._streams.send({"type": "event", "eventName": name, "message": message, "source": source})
        return True

    def announce_input(self, content_type: str) -> None:
        """Tell the Sequence what its input is; only the first time counts."""
        if self.input_type is None:
            self.input_type = content_type
            self._on_change()
            self._tell_input_type()

    def _tell_input_type(self) -> None:
        self._streams.send({"type": "input", "contentType": self.input_type})

    async def stop(self, order: StopOrder) -> None:
        """Ask the Sequence to stop; kill it if it has neither ended nor asked to go on when the time is over."""
        self._kept_alive = False
        self.stop_order = order
        self._on_change()
        self._streams.send({"type": "stop", "timeout": order.timeout_ms, "canCallKeepalive": order.can_keep_alive})
        try:
            await asyncio.wait_for(self._until_stopped(order), order.timeout_ms / 1000)
        except asyncio.TimeoutError:
            self._streams.note("WARN", f"The Sequence did not stop within {order.timeout_ms} ms and is killed")
            if self._life.enter("killing"):
                self.kill()

    async def _until_stopped(self, order: StopOrder) -> None:
        while self._life.status == "stopping" and not (self._kept_alive and order.can_keep_alive):
            await self._life.change()
        if self._life.status == "stopping":
            self._life.enter("running")

    def kill(self) -> None:
        """Ask the runner to end; its process is ended when it has not."""
        connected = self._streams.control is not None
        self._streams.send({"type": "kill"})
        self._after(KILL_GRACE if connected else 0, self._end_process)

    def _end_process(self) -> None:
        self._runtime.kill(self._id)

    # --- end ----------------------------------------------------------------------------------------------

    def _on_exit(self, exit_: Exit) -> None:
        self._exit = exit_
        self._check_end()
        if not self.is_over:  # a process that it left behind may hold the channel
            self._after(KILL_GRACE, self.lose_control)

    def lose_control(self) -> None:
        """The control channel has ended."""
        self._control_lost = True
        self._check_end()
        if not self.is_over:  # without control nobody could stop it
            self._after(KILL_GRACE, self._end_process)

    def fail(self, error: str) -> None:
        """It was not launched."""
        self._error = error
        self._on_exit(Exit())

    def _check_end(self) -> None:
        if self._exit is None or self.is_over:
            return
        if self._streams.control is not None and not self._control_lost:
            return
        killing, limits = self._life.status == "killing", self._request.limits
        verdict = judge(self._exit, self.last_word, killing=killing, limits=limits)
        self.close()
        self._on_over(verdict._replace(error=self._error or verdict.error))

    def close(self) -> None:
        """Nobody wants to know any more how it ends."""
        self.is_over = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def leave(self) -> None:
        """Another run will follow; what this one may have left behind has no more say."""
        self.secret = secrets.token_hex(16)
        self.pid = self.health = None

    def _after(self, seconds: float, call: Callable[[], object]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))


def _age(started: str | None) -> float:
    """The seconds since a run began, which another Hub has written down."""
    if started is None:
        return 0
    return max((datetime.now(timezone.utc) - moment(started)).total_seconds(), 0)
