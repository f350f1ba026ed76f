"""Instances: running Sequences, what is known of them, and how they are started, stopped, killed and kept.

When a run of its Sequence is over, an Instance has ended, or gets another run (see
:mod:`transform_hub.hub.instances.run` and :mod:`transform_hub.hub.instances.restarts`).
Its states are in :mod:`transform_hub.hub.instances.lifecycle`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from transform_hub import protocol
from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.events import Events
from transform_hub.hub.instances.exit_status import KILLED, Verdict
from transform_hub.hub.instances.lifecycle import Lifecycle
from transform_hub.hub.instances.messages import TopicDeclaration
from transform_hub.hub.instances.restarts import Restarts
from transform_hub.hub.instances.run import KILL_GRACE, Run
from transform_hub.hub.link.instance_streams import Streams
from transform_hub.hub.link.protocols import ChannelProtocol
from transform_hub.hub.reattach.records import Record, StopOrder, moment
from transform_hub.hub.reattach.ring import Spool
from transform_hub.hub.runtimes.runtime import Runtime, Survivor
from transform_hub.models import (
    InstanceInfo,
    InstanceStatus,
    RestartPolicy,
    SequenceInfo,
    StartRequest,
    Terminated,
)

log = logging.getLogger(__name__)

START_ANSWER = 5.0
"""Seconds that a start is answered at the latest after the runner dialled in, loaded or not."""


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
        run: its present run, or the last there was.
        at_end: what to call when it has ended.
        between_runs: what to wait for when a run has ended and before the next begins.
        is_between_runs: whether nothing is left of a run that has ended, and a restart is awaited.
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
        self.restarts = Restarts(policy, record.restarts if record else 0, record.restarts_in_a_row if record else 0)
        self._life = Lifecycle(self._on_status, record.status if record else "initializing")
        self._on_change = on_change
        self.streams = Streams(
            lambda message: self.run.receive(message),  # noqa: PLW0108 - it is another by then
            lambda: self.run.lose_control(),  # noqa: PLW0108 - likewise
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
        self._forgetting: asyncio.TimerHandle | None = None
        self._restarting: asyncio.Task[None] | None = None
        self._rate: float | None = None
        self.at_end: list[Callable[[], object]] = []
        self.between_runs: list[Callable[[], Awaitable[object]]] = []
        self.is_between_runs = False
        self.run = self._make_run(record)

    def _make_run(self, record: Record | None = None) -> Run:
        return Run(
            self.id,
            self.request,
            life=self._life,
            streams=self.streams,
            runtime=self._runtime,
            on_event=self._emit,
            on_topic=functools.partial(self._on_topic, self),
            on_change=lambda: self._on_change(self),
            on_over=self._on_over,
            record=record,
        )

    # --- what it is ---------------------------------------------------------------------------------------

    @property
    def status(self) -> InstanceStatus:
        """What it is doing."""
        return self._life.status

    @property
    def secret(self) -> str:
        """What its runner, and its Sequence, prove themselves with."""
        return self.run.secret

    @property
    def provides(self) -> str | None:
        """The topic that its output goes to."""
        return self.run.topics["provides"].topic if "provides" in self.run.topics else None

    @property
    def requires(self) -> str | None:
        """The topic that its input comes from."""
        return self.run.topics["requires"].topic if "requires" in self.run.topics else None

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
        while self.run.health is None and not self.run.is_over:
            await self._life.change()
        ended = {"healthy": False} if self.run.is_over else {}
        known = {"processId": self.run.pid, "traffic": self.streams.traffic}
        return {"healthy": False, **(self.run.health or {}), **ended, **known}

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
            pid=self.run.pid,
            input_type=self.run.input_type,
            stopping=self.run.stop_order,
            ended_sinks=self.streams.ended_sinks,
            restarts=self.restarts.count,
            restarts_in_a_row=self.restarts.in_a_row,
            next_restart=self.restarts.next_at if self.is_between_runs else None,
            **self.run.topics,
        )

    @property
    def was_cut_off(self) -> bool:
        """Whether its run ended in the middle of what it did: it was killed, or its process died."""
        last_word = self.run.last_word
        return last_word is None or last_word.code == protocol.EXIT_KILLED

    # --- start --------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Launch the runner and wait until the Sequence runs (or has failed, or takes long to load).

        Raises:
            ApiError: the runner was not started, ended, or did not dial in, before it could be an Instance.
        """
        await self.run.launch(self._make_spec)
        while self.status == "initializing" and self.started_at is None:
            await self._life.change()
        if self.started_at is None:
            raise ApiError(400, self.error or "The runner ended, or was killed, and did not connect to the Hub")
        try:
            await asyncio.wait_for(self._life.leave("starting"), START_ANSWER)
        except asyncio.TimeoutError:
            self.streams.note("INFO", "The Sequence is still being loaded")

    def attach(self, hello: protocol.Message, transport: asyncio.Transport) -> ChannelProtocol | None:
        """The runner has dialled one of its channels; None refuses it."""
        connected = self.run.attach(hello, transport)
        if self.streams.are_complete and self.status == "initializing":
            self.started_at = _now()
            self.run.begin()
            if self._rate is not None:  # that was set for the run before
                self.set_monitoring_rate(self._rate)
        return connected

    async def resume(self, record: Record, survivor: Survivor) -> None:
        """Go on with a runner that has outlived its Hub."""
        await self.run.resume(record, survivor)

    def await_restart(self, next_at: str) -> None:
        """Go on with the pause before a restart, in which an earlier Hub was killed."""
        pause = (moment(next_at) - datetime.now(timezone.utc)).total_seconds() * 1000
        self._pause_for(min(max(pause, 0), self.restarts.policy.max_delay) / 1000)

    def _emit(self, name: str, message: Any) -> None:
        self.events.publish(name, message)
        self._on_event(self, name, message)

    def set_monitoring_rate(self, per_second: float) -> None:
        """Set how often the runner reports its health."""
        self._rate = per_second
        self.streams.send({"type": "rate", "perSecond": per_second})

    # --- stop and kill ------------------------------------------------------------------------------------

    async def stop(self, timeout_ms: int, *, can_keep_alive: bool) -> None:
        """Ask the Sequence to stop; kill it if it has neither ended nor asked to go on when the time is over.

        Returns when it has ended, or goes on.
        """
        if self.status == "initializing":  # there is nobody yet who could be asked
            self.kill()
        self._life.enter("stopping")
        if self.status == "stopping":
            await self.run.stop(StopOrder(timeout_ms, can_keep_alive))
        if self.status == "killing":
            with contextlib.suppress(asyncio.TimeoutError):  # a process that not even SIGKILL ends
                await asyncio.wait_for(self.ended.wait(), 3 * KILL_GRACE)

    def kill(self, *, remove_immediately: bool = False) -> None:
        """End the Instance at once; may be called in any state, any number of times."""
        if remove_immediately:
            self._retention = 0
            if self._life.has_ended:
                self.discard()
        if not self._life.enter("killing"):
            return
        if self.run.is_over:  # and the next would have begun later
            self._end(KILLED)
        else:
            self.run.kill()

    def _on_status(self, status: InstanceStatus) -> None:
        self.streams.note("DEBUG", f"The Instance is {status}")
        self._on_change(self)

    # --- end ----------------------------------------------------------------------------------------------

    def _on_over(self, verdict: Verdict) -> None:
        if self.started_at is None or not self._goes_on(verdict):
            self._end(verdict)

    def _end(self, verdict: Verdict) -> None:
        status, self.terminated, self.error = verdict
        self.ended_at = _now()
        self._life.enter(status)
        if self.error:
            self.streams.note("ERROR", self.error)
        self._wind_up()
        self.streams.end()
        self._forgetting = asyncio.get_running_loop().call_later(self._retention, self.discard)

    def _goes_on(self, verdict: Verdict) -> bool:
        """Whether the policy lets another run follow one that has ended, which is then prepared."""
        lasted = 0 if self.run.begun is None else asyncio.get_running_loop().time() - self.run.begun
        pause = self.restarts.pause(self.status, verdict, lasted)
        if pause is None:
            return False
        why = verdict.error or verdict.terminated.reason
        told = f"ended with exit code {verdict.terminated.exitcode}: {why}; {self.restarts} follows in {pause:g} s"
        self.streams.note("WARN", f"The Instance {told}")
        log.warning("Instance %s %s", self.id, told, extra={"instance": self.id, "sequence": self.sequence.id})
        self._pause_for(pause)
        return True

    def _pause_for(self, seconds: float) -> None:
        """Wait with the next run; nothing is taken any more from the one before."""
        self.restarts.next_at = _now(seconds)
        self.run.close()
        self.run.leave()
        self.streams.part()
        self._life.enter("initializing")
        self._restarting = asyncio.ensure_future(self._restart(seconds))

    async def _restart(self, pause: float) -> None:
        await asyncio.gather(asyncio.sleep(pause), self._settle())
        self.is_between_runs = False
        self.run = self._make_run()
        self.restarts.next_at = None
        self.streams.note("INFO", f"{self.restarts} begins".capitalize())
        try:
            await self.run.launch(self._make_spec)
        except ApiError as error:
            self.run.fail(str(error))

    async def _settle(self) -> None:
        """Wait until what the run has written is where it belongs, and nothing is connected with it any more."""
        await self.streams.run_dry()
        self.is_between_runs = True
        self._on_change(self)  # first: whoever finds both knows by the record that the run is over
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
        self.run.close()
        if self._forgetting is not None:
            self._forgetting.cancel()
        if self._restarting is not None:
            self._restarting.cancel()
        self.restarts.next_at = None
        for call in self.at_end:
            call()
        self.at_end.clear()
        self.events.close()
        self.ended.set()
        self._life.notify()
