"""Instances: running Sequences, what is known of them, and how they are started, stopped, killed and kept.

When a run of its Sequence is over, an Instance has ended, or gets another run (see
:mod:`transform_hub.hub.instances.run` and :mod:`transform_hub.hub.instances.restarts`).
Its states are in :mod:`transform_hub.hub.instances.lifecycle`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

from transform_hub import protocol
from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.events import Events
from transform_hub.hub.instances.exit_status import KILLED, ExitStatus
from transform_hub.hub.instances.lifecycle import Lifecycle
from transform_hub.hub.instances.messages import TopicDeclaration
from transform_hub.hub.instances.restarts import Restarts
from transform_hub.hub.instances.run import KILL_GRACE, Run, StopOrder, TopicKind
from transform_hub.hub.instances.start_order import StartOrder
from transform_hub.hub.link.backing import Backing, MemoryBacking
from transform_hub.hub.link.instance_streams import Streams
from transform_hub.hub.link.protocols import ChannelProtocol
from transform_hub.hub.runtimes.runtime import LaunchOrder, Runtime
from transform_hub.models import InstanceInfo, InstanceStatus, SequenceInfo, Terminated

log = logging.getLogger(__name__)

START_ANSWER = 5.0
"""Seconds that a start is answered at the latest after the runner dialled in, loaded or not."""


ALWAYS_KEPT = 15.0
"""Seconds that an ended Instance is kept before its retention begins, as in STH: who ran it still asks how it ended."""


def _now(later: float = 0) -> str:
    """The time, or that ``later`` seconds from now, as the API tells it."""
    then = datetime.now(timezone.utc) + timedelta(seconds=later)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _names(given: Iterable[str] | None) -> list[str] | None:
    return sorted(given) if given else None


class Feed(Protocol):
    """What connects a run with a topic."""

    async def settle(self) -> None:
        """The run has ended and another follows: carry what is to be carried, then no more."""

    def end(self) -> None:
        """The Instance has ended."""


class InstanceHost(Protocol):
    """Where an Instance is kept."""

    def changed(self, instance: Instance) -> None:
        """Something that another Hub would have to know has changed."""

    def emitted(self, instance: Instance, name: str, message: Any) -> None:
        """Its Sequence has emitted an event."""

    def expects(self, instance: Instance) -> None:
        """Another runner of it comes."""

    def listens(self, instance: Instance, names: list[str] | None) -> None:
        """Its Sequence has listeners for events of these names, too; None means of any."""

    def connect(self, instance: Instance, kind: TopicKind, topic: TopicDeclaration) -> Feed:
        """Its Sequence provides or requires a topic."""

    def secrets_of(self, instance: Instance) -> dict[str, str]:
        """The values of its secrets as they are now."""

    def directories_of(self, instance: Instance) -> dict[str, Path]:
        """Where it may write: ``data_dir`` and ``cache_dir``."""

    def ended(self, instance: Instance) -> None:
        """It has ended."""

    def gone(self, instance: Instance) -> None:
        """It is no longer kept."""


class Instance:
    """A Sequence that is run: once, or again and again as its restart policy says.

    Args:
        order: what runs, and how.
        host: where it is kept.
        runtime: where its runners are started.
        retention: seconds that it is kept after its end, on top of ``ALWAYS_KEPT``.
        backing: what its streams stand on; memory by default.

    Attributes:
        run: its present run, or the last there was.
        is_between_runs: whether nothing is left of a run that has ended, and a restart is awaited.
    """

    def __init__(
        self,
        order: StartOrder,
        host: InstanceHost,
        runtime: Runtime,
        *,
        retention: float,
        backing: Backing | None = None,
    ) -> None:
        self.order = order
        self.runtime = runtime
        self._host = host
        self._kept = ALWAYS_KEPT + retention
        # state
        self.life = Lifecycle(self._on_status)
        self.restarts = Restarts(order.policy)
        self.created_at = _now()
        self.started_at: str | None = None
        self.ended_at: str | None = None
        self.terminated: Terminated | None = None
        self.error: str | None = None
        self.ended = asyncio.Event()
        self.is_between_runs = False
        # streams and events
        self.streams = Streams(backing or MemoryBacking(), lasting=self.restarts.are_possible)
        self.events = Events(self.streams.note)
        self._feeds: list[Feed] = []
        self._rate: float | None = None
        # timers
        self._forgetting: asyncio.TimerHandle | None = None
        self._restarting: asyncio.Task[None] | None = None
        self.run = Run(self)

    # --- what it is ---------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self.order.id

    @property
    def sequence(self) -> SequenceInfo:
        return self.order.sequence

    @property
    def status(self) -> InstanceStatus:
        return self.life.status

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
            app_config=self.order.request.app_config,
            args=self.order.request.args,
            provides=self.provides,
            requires=self.requires,
            input_group=self.run.topics["requires"].group if self.requires else None,
            sequence=sequence,
            created=self.created_at,
            started=self.started_at,
            ended=self.ended_at,
            status=self.status,
            terminated=self.terminated,
            limits=self.order.request.limits,
            env=_names(self.order.request.env),
            secrets=_names(self.order.request.secrets),
            error=self.error,
            **self.restarts.info(),
        )

    async def health(self) -> dict[str, Any]:
        """The latest answer of the Sequence, for which it waits, and what the Hub knows: process and traffic."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until_health_is_known(), self.run.health.patience)
        health = self.run.health
        told = health.tell() if health.is_known or not self.run.is_over else {}
        ended = {"healthy": False} if self.run.is_over else {}
        return {**told, **ended, "processId": self.run.pid, "traffic": self.streams.traffic}

    async def _until_health_is_known(self) -> None:
        while not self.run.health.is_known and not self.run.is_over:
            await self.life.change()

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
        await self.run.launch(self._launch_order())
        while self.status == "initializing" and self.started_at is None:
            await self.life.change()
        if self.started_at is None:
            raise ApiError(400, self.error or "The runner ended, or was killed, and did not connect to the Hub")
        try:
            await asyncio.wait_for(self.life.leave("starting"), START_ANSWER)
        except asyncio.TimeoutError:
            self.streams.note("INFO", "The Sequence is still being loaded")

    def _launch_order(self, *, is_restart: bool = False) -> LaunchOrder:
        """What the next runner is started with.

        Raises:
            ApiError: a secret can't be read, or a directory not be made.
        """
        request = self.order.request
        return LaunchOrder(
            id=self.id,
            secret=self.secret,
            sequence=self.sequence.config,
            args=request.args or [],
            config=request.app_config or {},
            limits=request.limits or {},
            env=request.env or {},
            secrets=self._host.secrets_of(self),
            **self._host.directories_of(self),
            is_restart=is_restart,
        )

    def attach(self, hello: protocol.Message, transport: asyncio.Transport) -> ChannelProtocol | None:
        """The runner has dialled one of its channels; None refuses it."""
        connected = self.run.attach(hello, transport)
        if self.streams.are_complete and self.status == "initializing":
            self.started_at = _now()
            self.run.begin()
            if self._rate is not None:  # that was set for the run before
                self.set_monitoring_rate(self._rate)
        return connected

    def end_for(self, error: str) -> None:
        """End the run for a reason of the Hub's own."""
        self.streams.note("ERROR", error)
        self.run.end_for(error)

    def announce_input(self, content_type: str) -> None:
        """Tell the Sequence what its input is; only the first time counts."""
        self.run.announce_input(content_type)

    # --- what its runs tell it ----------------------------------------------------------------------------

    def changed(self) -> None:
        """Something that another Hub would have to know has changed."""
        self._host.changed(self)

    def emitted(self, name: str, message: Any) -> None:
        """The Sequence has emitted an event."""
        self.events.publish(name, message)
        self._host.emitted(self, name, message)

    def listens(self, names: list[str] | None) -> None:
        """The Sequence has listeners for events of these names, too; None means of any."""
        self._host.listens(self, names)

    def connect(self, kind: TopicKind, topic: TopicDeclaration) -> None:
        """The Sequence provides or requires a topic."""
        self._feeds.append(self._host.connect(self, kind, topic))

    def await_restart(self, seconds: float) -> None:
        """Go on with the pause before a restart, in which an earlier Hub was killed."""
        self._pause_for(min(max(seconds, 0), self.restarts.policy.max_delay / 1000))

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
        self.life.enter("stopping")
        if self.status == "stopping":
            await self.run.stop(StopOrder(timeout_ms, can_keep_alive))
        if self.status == "killing":
            with contextlib.suppress(asyncio.TimeoutError):  # a process that not even SIGKILL ends
                await asyncio.wait_for(self.ended.wait(), 3 * KILL_GRACE)

    def kill(self, *, remove_immediately: bool = False) -> None:
        """End the Instance at once; may be called in any state, any number of times."""
        if remove_immediately:
            self._kept = 0
            if self.life.has_ended:
                self.discard()
        if not self.life.enter("killing"):
            return
        if self.run.is_over:  # and the next would have begun later
            self._end(KILLED)
        else:
            self.run.kill()

    def _on_status(self, status: InstanceStatus) -> None:
        self.streams.note("DEBUG", f"The Instance is {status}")
        self.changed()

    # --- end ----------------------------------------------------------------------------------------------

    def run_over(self, exit_status: ExitStatus) -> None:
        """Its run has ended."""
        if self.started_at is None or not self._goes_on(exit_status):
            self._end(exit_status)

    def _end(self, exit_status: ExitStatus) -> None:
        status, self.terminated, self.error = exit_status
        self.ended_at = _now()
        self.life.enter(status)
        if self.error:
            self.streams.note("ERROR", self.error)
        self._wind_up()
        self.streams.end()
        self._forgetting = asyncio.get_running_loop().call_later(self._kept, self.discard)

    def _goes_on(self, exit_status: ExitStatus) -> bool:
        """Whether the policy lets another run follow one that has ended, which is then prepared."""
        lasted = 0 if self.run.begun is None else asyncio.get_running_loop().time() - self.run.begun
        pause = self.restarts.pause(self.status, exit_status, lasted)
        if pause is None:
            return False
        why = exit_status.error or exit_status.terminated.reason
        what = f"ended with exit code {exit_status.terminated.exitcode}: {why}; {self.restarts} follows in {pause:g} s"
        self.streams.note("WARN", f"The Instance {what}")
        log.warning("Instance %s %s", self.id, what, extra={"instance": self.id, "sequence": self.sequence.id})
        self._pause_for(pause)
        return True

    def _pause_for(self, seconds: float) -> None:
        """Wait with the next run; nothing is taken any more from the one before."""
        self.restarts.next_at = _now(seconds)
        self.run.close()
        self.run.leave()
        self.streams.detach_run()
        self.life.enter("initializing")
        self._restarting = asyncio.ensure_future(self._restart(seconds))

    async def _restart(self, pause: float) -> None:
        await asyncio.gather(asyncio.sleep(pause), self._settle())
        self.is_between_runs = False
        self.run = Run(self)
        self._host.expects(self)
        self.restarts.next_at = None
        self.streams.note("INFO", f"{self.restarts} begins".capitalize())
        try:
            await self.run.launch(self._launch_order(is_restart=True))
        except ApiError as error:
            self.run.fail(str(error))

    async def _settle(self) -> None:
        """Wait until what the run has written is where it belongs, and nothing is connected with it any more."""
        await self.streams.drained()
        self.is_between_runs = True
        self.changed()
        for feed in self._feeds:
            await feed.settle()
        self._feeds.clear()

    def discard(self) -> None:
        """Forget the Instance and what it left unread; ends its process if there still is one."""
        if not self.life.has_ended:
            self.runtime.kill(self.id)
        if self.life.enter("gone"):
            self._wind_up()
            self._host.gone(self)
            self.streams.discard()

    def _wind_up(self) -> None:
        """Tell everybody who waits for something of it that nothing more comes; the second time it adds nothing."""
        self.run.close()
        if self._forgetting is not None:
            self._forgetting.cancel()
        if self._restarting is not None:
            self._restarting.cancel()
        self.restarts.next_at = None
        for feed in self._feeds:
            feed.end()
        self._feeds.clear()
        self.events.close()
        if not self.ended.is_set():
            self.ended.set()
            self._host.ended(self)
        self.life.notify()
