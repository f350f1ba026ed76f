"""A run of an Instance: one runner, from its launch to its end. With a restart policy an Instance may have several.

    launch ──the runner dials its channels──> begin ──it has loaded the Sequence──> running ──> over

How it has ended is known from three sources: the runner's own last message (code and error), the runtime (exit code
or signal), and the end of the control channel. A run is over when the process is gone and all it said before has been
read.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any, Literal, Protocol, get_args

import msgspec

from transform_hub import protocol
from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.exit_status import ExitStatus, exit_status
from transform_hub.hub.instances.health import SETTLING, Health
from transform_hub.hub.instances.lifecycle import Lifecycle
from transform_hub.hub.instances.messages import (
    Alive,
    Checks,
    Declared,
    Event,
    Heartbeat,
    LastWord,
    Listens,
    OutputType,
    Running,
    TopicDeclaration,
    Wants,
    parse_message,
)
from transform_hub.hub.instances.start_order import StartOrder
from transform_hub.hub.link.instance_streams import Streams
from transform_hub.hub.link.protocols import ChannelProtocol
from transform_hub.hub.runtimes.runtime import Exit, LaunchOrder, Runtime
from transform_hub.models.rules import CONTENT_TYPE

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 30.0
"""Seconds a runner has to dial in."""

KILL_GRACE = 2.0
"""Seconds between asking a runner to end and ending its process."""

TopicKind = Literal["provides", "requires"]


class StopOrder(msgspec.Struct):
    """A stop that is under way."""

    timeout_ms: int
    can_keep_alive: bool


class Owner(Protocol):
    """The Instance that a run is of.

    Attributes:
        life: its state, which its runs lead from one to the next.
        streams: which its runs share.
    """

    order: StartOrder
    life: Lifecycle
    streams: Streams
    runtime: Runtime

    def changed(self) -> None:
        """Something that another Hub would have to know has changed."""

    def emitted(self, name: str, message: Any) -> None:
        """The Sequence has emitted an event."""

    def listens(self, names: list[str] | None) -> None:
        """The Sequence has listeners for events of these names, too; None means of any."""

    def connect(self, kind: TopicKind, topic: TopicDeclaration) -> None:
        """The Sequence provides or requires a topic."""

    def run_over(self, exit_status: ExitStatus) -> None:
        """The run has ended."""


def event_line(name: str, message: Any, source: str) -> bytes:
    """An event as a runner is told of it."""
    return protocol.encode({"type": "event", "eventName": name, "message": message, "source": source})


class Run:
    """One runner process of an Instance, from launch to exit.

    Attributes:
        secret: what the runner proves itself with.
        is_over: ended or abandoned.
        begun: when the runner had dialled all its channels, in seconds of the event loop.
        topics: what the Sequence provides and requires.
        input_type: content type of the input, once there is any.
        output_type: content type of the output, once it is declared.
        wanted: up to where the Sequence is done with its input, which it asks for more of; None if it has not asked.
        health: as its Sequence has told it.
        stop_order: the latest stop that it was asked for.
        last_word: its last message.
    """

    def __init__(self, instance: Owner) -> None:
        self._instance = instance
        self._life, self._streams, self._runtime = instance.life, instance.streams, instance.runtime
        self._streams.observer = self
        self.secret = secrets.token_hex(16)
        # what it has said
        self.pid: int | None = None
        self.topics: dict[TopicKind, TopicDeclaration] = {}
        self.health = Health()
        self.last_word: LastWord | None = None
        self.output_type: str | None = None
        self.wanted: int | None = None
        self._loaded: Running | None = None
        self._kept_alive = False
        # what it was told
        self.input_type: str | None = None
        self.stop_order: StopOrder | None = None
        self._deaf = False
        # its begin and end
        self.begun: float | None = None
        self.is_over = False
        self._exit: Exit | None = None
        self._control_lost = False
        self._error: str | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []

    # --- begin --------------------------------------------------------------------------------------------

    async def launch(self, order: LaunchOrder) -> None:
        """Start the runner.

        Raises:
            ApiError: it can't be run, there is no room for it, or the system refuses another process.
        """
        self._after(CONNECT_TIMEOUT, self._give_up)
        try:
            await self._runtime.launch(order, self.exited)
        except OSError as error:
            raise ApiError(500, f"No runner could be started: {error.strerror or error}") from error
        except ApiError:
            raise
        except Exception as error:  # a runtime is not always ours
            log.exception("Instance %s: its runtime failed", order.id, extra={"instance": order.id})
            raise ApiError(500, f"The runtime failed: {error!r}") from error
        if self._life.status == "killing" and self._exit is None:  # there was nothing yet that could be ended
            self._end_process()

    def _give_up(self) -> None:
        if self._life.status == "initializing":
            self._error = f"The runner did not connect to the Hub within {CONNECT_TIMEOUT:.0f} s"
            self._end_process()
            self._after(KILL_GRACE, lambda: self.exited(Exit()))  # whether the runtime tells its end or not

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
        self._streams.send({"type": "start"})
        self._announce()

    def resume(self, topics: dict[TopicKind, TopicDeclaration], stop_order: StopOrder | None, lasted: float) -> None:
        """Go on with a runner that has outlived its Hub, and whose channels are there again.

        Args:
            topics: what the Sequence has declared.
            stop_order: the stop that was under way, if one was.
            lasted: seconds that it has run.
        """
        self.begun = asyncio.get_running_loop().time() - lasted
        self._streams.note("INFO", "The Hub was away; entries that were on their way to it may be missing")
        for kind, topic in topics.items():
            self._connect(kind, topic)
        if self.input_type is not None:
            self._tell_input_type()
        self._streams.send({"type": "start"})  # whether the earlier Hub understood all the runner has said is not known
        if self._life.status == "killing":
            self.kill()
        elif self._life.status == "stopping" and stop_order is not None:
            self._stopping = asyncio.ensure_future(self.stop(stop_order))

    # --- what it says -------------------------------------------------------------------------------------

    def receive(self, line: protocol.Message) -> None:
        """Take a message of the runner."""
        try:
            message = parse_message(line)
        except ValueError as error:
            self._streams.note("WARN", f"A message of the runner is not understood and ignored: {error}")
            return
        if isinstance(message, Heartbeat):
            self.health.receive(message)
            self._life.notify()
        elif isinstance(message, Checks):
            self.health.set_checks(message)
        elif isinstance(message, Wants):
            self.wanted = message.position
            self._life.notify()
        elif isinstance(message, OutputType):
            self._note_output_type(message.content_type)
        elif isinstance(message, Event | Listens):
            self._pass_on(message)
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

    def _pass_on(self, message: Event | Listens) -> None:
        if isinstance(message, Event):
            self._instance.emitted(message.event_name, message.message)
        else:
            self._instance.listens(message.event_names)

    def _note_output_type(self, content_type: str) -> None:
        if CONTENT_TYPE.fullmatch(content_type):
            self.output_type = content_type
            self._instance.changed()
        else:
            self._streams.note("WARN", f"{content_type[:100]!r} is not a content type: the output is served without it")

    def _announce(self) -> None:
        """Running begins when the Sequence is loaded and all channels are there, whichever comes last."""
        if self._loaded is not None and self._life.status == "starting":
            self._route_topics(self._loaded)
            self.health.begin()
            self._after(SETTLING, self._settle_health)
            self._life.enter("running")

    def _settle_health(self) -> None:
        self.health.settle()
        self._life.notify()

    def _route_topics(self, declared: Declared) -> None:
        """Connect the topics that are declared, each kind once."""
        request = self._instance.order.request
        names = {"provides": request.output_topic, "requires": request.input_topic}
        for kind in get_args(TopicKind):
            topic: TopicDeclaration | None = getattr(declared, kind)
            if topic is not None and kind not in self.topics:
                group = (request.input_group or topic.group) if kind == "requires" else None
                self._connect(kind, TopicDeclaration(names[kind] or topic.topic, topic.content_type, group))
                self._instance.changed()

    def _connect(self, kind: TopicKind, topic: TopicDeclaration) -> None:
        self.topics[kind] = topic
        self._instance.connect(kind, topic)

    # --- what it is told ----------------------------------------------------------------------------------

    def send_event(self, name: str, message: Any, source: str) -> bool:
        """Deliver an event to the Sequence; False if it does not read what it was sent before."""
        accepted = self.queue_event(event_line(name, message, source))
        self.flush_events()
        return accepted

    def queue_event(self, line: bytes) -> bool:
        """Add an event to what :meth:`flush_events` sends; False if the Sequence does not read what it was sent before.

        Args:
            line: as on the wire.
        """
        control = self._streams.control
        if control is None:
            return True
        if control.is_full:
            if not self._deaf:
                self._streams.note("WARN", "The Sequence does not read its events: they are dropped until it does")
            self._deaf = True
            return False
        self._deaf = False
        control.queue(line)
        return True

    def flush_events(self) -> None:
        """Send what is queued."""
        if self._streams.control is not None:
            self._streams.control.flush()

    def announce_input(self, content_type: str) -> None:
        """Tell the Sequence what its input is; only the first time counts."""
        if self.input_type is None:
            self.input_type = content_type
            self._instance.changed()
            self._tell_input_type()

    def _tell_input_type(self) -> None:
        message = {"type": "input", "contentType": self.input_type}
        required = self.topics.get("requires")
        self._streams.send({**message, "byItem": True} if required and required.group else message)

    async def stop(self, order: StopOrder) -> None:
        """Ask the Sequence to stop; kill it if it has neither ended nor asked to go on when the time is over."""
        self._kept_alive = False
        self.stop_order = order
        self._instance.changed()
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
        self._runtime.kill(self._instance.order.id)

    # --- end ----------------------------------------------------------------------------------------------

    def exited(self, exit_: Exit) -> None:
        """The runtime tells how its process has ended."""
        self._exit = exit_
        self._control_lost |= exit_.lost  # nothing more comes from a machine that is gone
        self._check_end()
        if not self.is_over:  # a process that it left behind may hold the channel
            self._after(KILL_GRACE, self.lose_control)

    def lose_control(self) -> None:
        """The control channel has ended."""
        self._control_lost = True
        self._check_end()
        if not self.is_over:  # without control nobody could stop it
            self._after(KILL_GRACE, self._end_process)

    def end_for(self, error: str) -> None:
        """End its process, with an error of the Hub's own."""
        self._error = error
        self._end_process()

    def fail(self, error: str) -> None:
        """It was not launched."""
        self._error = error
        self.exited(Exit())

    def _check_end(self) -> None:
        if self._exit is None or self.is_over:
            return
        if self._streams.control is not None and not self._control_lost:
            return
        killing, limits = self._life.status == "killing", self._instance.order.request.limits
        status = exit_status(self._exit, self.last_word, killing=killing, limits=limits)
        self.close()
        self._instance.run_over(status._replace(error=self._error or status.error))

    def note_change(self) -> None:
        """Input or stdin is about to end."""
        self._instance.changed()

    def close(self) -> None:
        """Abandon it: how it ends does not matter any more."""
        self.is_over = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def leave(self) -> None:
        """Another run will follow; what this one may have left behind has no more say."""
        self.secret = secrets.token_hex(16)
        self.pid = None
        self.health = Health()

    def _after(self, seconds: float, call: Callable[[], object]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))
