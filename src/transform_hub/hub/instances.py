"""Instances: running Sequences, what is known of them, and how they are started, stopped and killed.

A runner's exit is known from three sources: its own last message (code and error), the runtime (exit code or
signal), and the end of its control channel. Its run has ended when the process is gone and all it said before has
been read; then the Instance has ended, or gets another run (see :mod:`transform_hub.hub.restarts`). Its states are in
:mod:`transform_hub.hub.lifecycle`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from transform_hub import protocol
from transform_hub.hub.errors import ApiError
from transform_hub.hub.events import Events
from transform_hub.hub.lifecycle import Lifecycle
from transform_hub.hub.link import ChannelProtocol
from transform_hub.hub.messages import Alive, Declared, Event, Health, LastWord, Running, TopicDeclaration, understand
from transform_hub.hub.records import Record, StopOrder
from transform_hub.hub.restarts import Restarts
from transform_hub.hub.runtimes import Exit, Runtime, Survivor
from transform_hub.hub.spool import Spool
from transform_hub.hub.streams import Streams
from transform_hub.hub.verdict import KILLED, Verdict, judge
from transform_hub.models import (
    InstanceInfo,
    InstanceStatus,
    RestartPolicy,
    SequenceInfo,
    StartRequest,
    Terminated,
)

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 30.0
"""Seconds a runner has to dial in."""

START_ANSWER = 5.0
"""Seconds that a start is answered at the latest after the runner dialled in, loaded or not."""

KILL_GRACE = 2.0
"""Seconds between asking a runner to end and ending its process."""


def _now(later: float = 0) -> str:
    """The time, or that ``later`` seconds from now, as the API tells it."""
    then = datetime.now(timezone.utc) + timedelta(seconds=later)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Instance:
    """A Sequence that is run: once, or again and again as its restart policy says.

    Args:
        sequence: what runs; ``request``: with which arguments.
        make_spec: says what its runner has to know.
        runtime: where its process is started.
        policy: whether it is restarted.
        retention: seconds that it is kept after its end.
        on_event: called with the Instance, event name and message for each event it emits.
        on_gone: called when it is no longer kept.
        on_change: called when there is something new to write down of it.
        spool: where its streams are to outlive the Hub.
        record: what an earlier Hub has written down of it, for :meth:`resume`.

    Attributes:
        at_end: what to call when it has ended.
        between_runs: what to wait for when a run has ended and before the next begins.
    """

    def __init__(
        self,
        instance_id: str,
        sequence: SequenceInfo,
        request: StartRequest,
        *,
        make_spec: Callable[[], Awaitable[protocol.Message]],
        runtime: Runtime,
        policy: RestartPolicy,
        retention: float,
        on_event: Callable[[Instance, str, Any], None],
        on_topic: Callable[[Instance, str, TopicDeclaration], None],
        on_gone: Callable[[Instance], object],
        on_change: Callable[[Instance], object] = lambda _: None,
        record: Record | None = None,
        spool: Spool | None = None,
    ) -> None:
        self.id = instance_id
        self.sequence = sequence
        self.request = request
        self.secret = record.secret if record else secrets.token_hex(16)
        self.restarts = Restarts(policy, record.restarts if record else 0)
        self._life = Lifecycle(self._on_status, record.status if record else "initializing")
        self._on_change = on_change
        self.streams = Streams(
            self._receive,
            self._on_control_lost,
            lambda: self._on_change(self),
            spool=spool,
            lasting=self.restarts.are_possible,
        )
        self.events = Events()
        self.started_at = record.started if record else None
        self.ended_at: str | None = None
        self.created_at = record.created if record else _now()
        self.terminated: Terminated | None = None
        self.error: str | None = None
        self.ended = asyncio.Event()
        self._make_spec = make_spec
        self._runtime = runtime
        self._retention = retention
        self._on_event, self._on_topic, self._on_gone = on_event, on_topic, on_gone
        self._timers: list[asyncio.TimerHandle] = []
        self._restarting: asyncio.Task[None] | None = None
        self._rate: float | None = None
        self.at_end: list[Callable[[], object]] = []
        self.between_runs: list[Callable[[], Awaitable[object]]] = []
        self._begin_run(record)

    def _begin_run(self, record: Record | None = None) -> None:
        """Nothing is known of a run but what an earlier Hub has written down."""
        self.input_type = record.input_type if record else None
        self._topics: dict[str, TopicDeclaration] = {}
        self._health: dict[str, Any] | None = None
        self._pid = record.pid if record else None
        self._exit: Exit | None = None
        self._last_word: LastWord | None = None
        self._loaded: Running | None = None
        self._begun: float | None = None
        self._kept_alive = False
        self._stop_order: StopOrder | None = None
        self._control_lost = False
        self._deaf = False

    # --- what it is ---------------------------------------------------------------------------------------

    @property
    def status(self) -> InstanceStatus:
        """What it is doing."""
        return self._life.status

    @property
    def provides(self) -> str | None:
        """The topic that its output goes to."""
        return self._topics["provides"].topic if "provides" in self._topics else None

    @property
    def requires(self) -> str | None:
        """The topic that its input comes from."""
        return self._topics["requires"].topic if "requires" in self._topics else None

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
            limits=self.request.limits,
            error=self.error,
            **self.restarts.told(),
        )

    async def health(self) -> dict[str, Any]:
        """The latest health message, which is waited for, and what the Hub knows: the process and its traffic."""
        while self._health is None and not self._run_is_over:
            await self._life.change()
        ended = {"healthy": False} if self._run_is_over else {}
        known = {"processId": self._pid, "traffic": self.streams.traffic}
        return {"healthy": False, **(self._health or {}), **ended, **known}

    def record(self) -> Record:
        """What another Hub has to know to go on with it."""
        return Record(
            id=self.id,
            secret=self.secret,
            sequence_id=self.sequence.id,
            request=self.request,
            status=self.status,
            created=self.created_at,
            started=self.started_at,
            pid=self._pid,
            input_type=self.input_type,
            stopping=self._stop_order,
            ended_sinks=self.streams.ended_sinks,
            restarts=self.restarts.count,
            **self._topics,
        )

    @property
    def _run_is_over(self) -> bool:
        """Whether nothing runs now, because it has ended or a restart is to come."""
        return self._life.has_ended or self.restarts.next_at is not None

    @property
    def was_cut_off(self) -> bool:
        """Whether its run ended in the middle of what it did: it was killed, or its process died."""
        return self._last_word is None or self._last_word.code == protocol.EXIT_KILLED

    # --- start --------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Launch the runner and wait until the Sequence runs (or has failed, or takes long to load).

        Raises:
            ApiError: the runner ended, or did not dial in, before it could be an Instance.
        """
        await self._launch()
        while self.status == "initializing" and self.started_at is None:
            await self._life.change()
        if self.started_at is None:
            raise ApiError(400, self.error or "The runner ended, or was killed, and did not connect to the Hub")
        try:
            await asyncio.wait_for(self._life.leave("starting"), START_ANSWER)
        except asyncio.TimeoutError:
            self.streams.note("INFO", "The Sequence is still being loaded")

    async def _launch(self) -> None:
        self._after(CONNECT_TIMEOUT, self._give_up)
        spec = {**await self._make_spec(), "id": self.id, "secret": self.secret}
        await self._runtime.launch(spec, self._on_exit)
        if self.status == "killing" and self._exit is None:  # there was nothing yet that could be ended
            self._runtime.kill(self.id)

    def _give_up(self) -> None:
        if self.status == "initializing":
            self.error = f"The runner did not connect to the Hub within {CONNECT_TIMEOUT:.0f} s"
            self._runtime.kill(self.id)

    def attach(self, hello: protocol.Message, transport: asyncio.Transport) -> ChannelProtocol | None:
        """The runner has dialled one of its channels; None refuses it."""
        connected = self.streams.attach(hello["channel"], transport)
        if connected is not None:
            self._pid = hello.get("pid")
        if self.streams.are_complete and self.status == "initializing":
            self.started_at = _now()
            self._begun = asyncio.get_running_loop().time()
            self._life.enter("starting")
            self._runtime.hold(self.id, self.streams.descriptors)
            self.streams.send({"type": "start"})
            if self._rate is not None:  # that was set for the run before
                self.set_monitoring_rate(self._rate)
            self._announce()
        return connected

    async def resume(self, record: Record, survivor: Survivor) -> None:
        """Go on with a runner that has outlived its Hub."""
        self._begun = asyncio.get_running_loop().time()
        for name, descriptor in survivor.channels.items():
            await self.streams.adopt(name, descriptor)
        for sink in record.ended_sinks:
            getattr(self.streams, sink).ended = True
        self.streams.note("INFO", "The Hub was away, and goes on with this Instance")
        for kind in ("provides", "requires"):
            if (topic := getattr(record, kind)) is not None:
                self._connect(kind, topic)
        self.streams.send({"type": "start"})  # whether all it has said to the earlier Hub was understood is not known
        if self.status == "killing":
            self._begin_kill()
        elif self.status == "stopping" and record.stopping is not None:
            order = record.stopping
            self._stopping = asyncio.ensure_future(
                self._ask_to_stop(order.timeout_ms, can_keep_alive=order.can_keep_alive)
            )
        self._runtime.watch(self.id, self._on_exit)

    # --- messages -----------------------------------------------------------------------------------------

    def _receive(self, line: protocol.Message) -> None:
        try:
            message = understand(line)
        except ValueError as error:
            self.streams.note("WARN", f"A message of the runner is not understood and ignored: {error}")
            return
        if isinstance(message, Health):
            self._health = message.health
            self._life.notify()
        elif isinstance(message, Event):
            self.events.publish(message.event_name, message.message)
            self._on_event(self, message.event_name, message.message)
        elif isinstance(message, Running):
            self._loaded = message
            self._announce()
        elif isinstance(message, Declared):
            self._route_topics(message)
        elif isinstance(message, Alive):
            self._kept_alive = True
            self._life.notify()
        else:
            self._last_word = message

    def _announce(self) -> None:
        """Running begins when the Sequence is loaded and all channels are there, whichever comes last."""
        if self._loaded is not None and self.status == "starting":
            self._route_topics(self._loaded)
            self._life.enter("running")

    def _route_topics(self, declared: Declared) -> None:
        """Connect the topics that are declared, each kind once."""
        if declared.provides is not None and self.provides is None:
            self._route("provides", declared.provides, self.request.output_topic)
        if declared.requires is not None and self.requires is None:
            self._route("requires", declared.requires, self.request.input_topic)

    def _route(self, kind: str, declared: TopicDeclaration, new_name: str | None) -> None:
        self._connect(kind, TopicDeclaration(new_name or declared.topic, declared.content_type))
        self._on_change(self)

    def _connect(self, kind: str, topic: TopicDeclaration) -> None:
        self._topics[kind] = topic
        self._on_topic(self, kind, topic)

    def send_event(self, name: str, message: Any, source: str) -> bool:
        """Deliver an event to the Sequence; False if it does not read what it was sent before."""
        control = self.streams.control
        if control is not None and control.is_full:
            if not self._deaf:
                self.streams.note("WARN", "The Sequence does not read its events: they are dropped until it does")
            self._deaf = True
            return False
        self._deaf = False
        self.streams.send({"type": "event", "eventName": name, "message": message, "source": source})
        return True

    def set_monitoring_rate(self, per_second: float) -> None:
        """Set how often the runner reports its health."""
        self._rate = per_second
        self.streams.send({"type": "rate", "perSecond": per_second})

    def announce_input(self, content_type: str) -> None:
        """Tell the Sequence what its input is; only the first time counts."""
        if self.input_type is None:
            self.input_type = content_type
            self._on_change(self)
            self.streams.send({"type": "input", "contentType": content_type})

    # --- stop and kill ------------------------------------------------------------------------------------

    async def stop(self, timeout_ms: int, *, can_keep_alive: bool) -> None:
        """Ask the Sequence to stop; kill it if it has neither ended nor asked to go on when the time is over.

        Returns when it has ended, or goes on.
        """
        if self.status == "initializing":  # there is nobody yet who could be asked
            self.kill()
        self._life.enter("stopping")
        if self.status == "stopping":
            await self._ask_to_stop(timeout_ms, can_keep_alive=can_keep_alive)
        if self.status == "killing":
            with contextlib.suppress(asyncio.TimeoutError):  # a process that not even SIGKILL ends
                await asyncio.wait_for(self.ended.wait(), 3 * KILL_GRACE)

    async def _ask_to_stop(self, timeout_ms: int, *, can_keep_alive: bool) -> None:
        self._kept_alive = False
        self._stop_order = StopOrder(timeout_ms, can_keep_alive)
        self._on_change(self)
        self.streams.send({"type": "stop", "timeout": timeout_ms, "canCallKeepalive": can_keep_alive})
        try:
            await asyncio.wait_for(self._until_stopped(can_keep_alive=can_keep_alive), timeout_ms / 1000)
        except asyncio.TimeoutError:
            self.streams.note("WARN", f"The Sequence did not stop within {timeout_ms} ms and is killed")
            self.kill()

    async def _until_stopped(self, *, can_keep_alive: bool) -> None:
        while self.status == "stopping" and not (self._kept_alive and can_keep_alive):
            await self._life.change()
        if self.status == "stopping":
            self._life.enter("running")

    def kill(self, *, remove_immediately: bool = False) -> None:
        """End the Instance at once; may be called in any state, any number of times."""
        if remove_immediately:
            self._retention = 0
            if self._life.has_ended:
                self.discard()
        if not self._life.enter("killing"):
            return
        if self.restarts.next_at is None:
            self._begin_kill()
        else:  # there is no run
            self._end(KILLED)

    def _begin_kill(self) -> None:
        connected = self.streams.control is not None
        self.streams.send({"type": "kill"})
        self._after(KILL_GRACE if connected else 0, lambda: self._runtime.kill(self.id))

    def _on_status(self, status: InstanceStatus) -> None:
        self.streams.note("DEBUG", f"The Instance is {status}")
        self._on_change(self)

    # --- end ----------------------------------------------------------------------------------------------

    def _on_exit(self, exit_: Exit) -> None:
        self._exit = exit_
        self._check_end()
        if not self._run_is_over:  # a process that it left behind may hold the channel
            self._after(KILL_GRACE, self._on_control_lost)

    def _on_control_lost(self) -> None:
        self._control_lost = True
        self._check_end()
        if not self._run_is_over:  # without control nobody could stop it
            self._after(KILL_GRACE, lambda: self._runtime.kill(self.id))

    def _check_end(self) -> None:
        if self._exit is None or self._run_is_over:
            return
        if self.streams.control is not None and not self._control_lost:
            return
        killing, limits = self.status == "killing", self.request.limits
        verdict = judge(self._exit, self._last_word, killing=killing, limits=limits)
        if self.started_at is None or not self._goes_on(verdict):
            self._end(verdict)

    def _end(self, verdict: Verdict) -> None:
        status, self.terminated, error = verdict
        self.error = self.error or error
        self.ended_at = _now()
        self._life.enter(status)
        if self.error:
            self.streams.note("ERROR", self.error)
        self._wind_up()
        self.streams.end()
        self._after(self._retention, self.discard)

    def _goes_on(self, verdict: Verdict) -> bool:
        """Whether the policy lets another run follow one that has ended, which is then prepared."""
        lasted = 0 if self._begun is None else asyncio.get_running_loop().time() - self._begun
        pause = self.restarts.pause(self.status, verdict, lasted)
        if pause is None:
            return False
        why = self.error or verdict.error or verdict.terminated.reason
        told = f"ended with exit code {verdict.terminated.exitcode}: {why}; {self.restarts} follows in {pause:g} s"
        self.streams.note("WARN", f"The Instance {told}")
        log.warning("Instance %s %s", self.id, told, extra={"instance": self.id, "sequence": self.sequence.id})
        self._cancel_timers()
        self.restarts.next_at = _now(pause)
        self.error = self._pid = self._health = None
        self.secret = secrets.token_hex(16)  # what the run may have left behind has no more say
        self.streams.part()
        self._life.enter("initializing")
        self._restarting = asyncio.ensure_future(self._restart(pause))
        return True

    async def _restart(self, pause: float) -> None:
        await asyncio.gather(asyncio.sleep(pause), self._settle())
        self._begin_run()
        self.restarts.next_at = None
        self.streams.note("INFO", f"{self.restarts} begins".capitalize())
        try:
            await self._launch()
        except (ApiError, OSError) as error:
            self.error = str(error) if isinstance(error, ApiError) else f"No runner could be started: {error.strerror}"
            self._on_exit(Exit())

    async def _settle(self) -> None:
        """Wait until what the run has written is where it belongs, and nothing is connected with it any more."""
        await self.streams.run_dry()
        self._runtime.release(self.id)
        for settle in self.between_runs:
            await settle()
        self.between_runs.clear()

    def discard(self) -> None:
        """Forget the Instance and what it left unread; ends its process if there still is one."""
        if not self._life.has_ended:
            self._runtime.kill(self.id)
        if self._life.enter("gone"):
            self._wind_up()
            self.streams.discard()
            self._on_gone(self)

    def _wind_up(self) -> None:
        """Tell everybody who waits for something of it that nothing more comes; the second time it adds nothing."""
        self._cancel_timers()
        if self._restarting is not None:
            self._restarting.cancel()
        self.restarts.next_at = None
        for call in self.at_end:
            call()
        self.at_end.clear()
        self.events.close()
        self.ended.set()
        self._life.notify()

    def _after(self, seconds: float, call: Callable[[], object]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, call))

    def _cancel_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
