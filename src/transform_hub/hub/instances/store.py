"""The Instances of a Hub: started, taken over from an earlier Hub, and kept for a while after their end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from transform_hub.hub import descriptors
from transform_hub.hub.errors import ApiError, NoRoomError
from transform_hub.hub.instances.directories import Directories
from transform_hub.hub.instances.instance import Feed, Instance
from transform_hub.hub.instances.listeners import Listeners
from transform_hub.hub.instances.messages import TopicDeclaration
from transform_hub.hub.instances.observers import InstanceObserver
from transform_hub.hub.instances.run import TopicKind
from transform_hub.hub.instances.secret_files import SecretFiles
from transform_hub.hub.instances.start_order import StartOrder, StartRules
from transform_hub.hub.link.backing import Backing, MemoryBacking
from transform_hub.hub.runtimes.runtime import Runtime
from transform_hub.models import SequenceInfo, StartRequest

log = logging.getLogger(__name__)


class InstanceStore(Mapping[str, Instance]):
    """The Instances that run or are kept after their end, by id; itself the host of each.

    Args:
        runtime: where they run.
        connect: connects an Instance with a topic that it provides or requires.
        directories: where they may write.
        secret_files: what they may name as secrets.
        rules: what is added to a start, and allowed.
        max_running: how many may run at the same time; None sets no limit.
        retention: seconds that an Instance is kept after its end, on top of those that each is.

    Attributes:
        observers: who is told what becomes of them.
        make_backing: makes what the streams of an Instance, of that id, stand on; memory by default.
    """

    def __init__(
        self,
        runtime: Runtime,
        connect: Callable[[Instance, TopicKind, TopicDeclaration], Feed],
        *,
        directories: Directories,
        secret_files: SecretFiles,
        rules: StartRules = StartRules(),  # noqa: B008 - it is frozen
        max_running: int | None = None,
        retention: float = 180.0,
    ) -> None:
        self.runtime = runtime
        self._connect = connect
        self._directories = directories
        self._secret_files = secret_files
        self._rules = rules
        self._max_running = max_running
        self._retention = retention
        self._instances: dict[str, Instance] = {}
        self._by_sequence: dict[str, dict[Instance, None]] = {}  # dicts, for their order
        self._not_ended: set[Instance] = set()
        self._being_started = 0
        self._listeners = Listeners()
        self._observed: set[str] = set()
        self._unclaimed: list[Instance] = []
        self._gone = asyncio.Event()
        self.observers: list[InstanceObserver] = [directories]
        self.make_backing: Callable[[str], Backing] = lambda _: MemoryBacking()

    def __getitem__(self, instance_id: str) -> Instance:
        return self._instances[instance_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._instances)

    def __len__(self) -> int:
        return len(self._instances)

    def of(self, sequence_id: str) -> list[Instance]:
        """Those of a Sequence, ended ones included while they are kept."""
        return [*self._by_sequence.get(sequence_id, ())]

    # --- how they come ------------------------------------------------------------------------------------

    def order(self, sequence: SequenceInfo, request: StartRequest, *, id: str | None = None) -> StartOrder:
        """Parse a start.

        Raises:
            ApiError: something in it is not possible.
        """
        return self._rules.parse(sequence, request, self.runtime.limits, id=id)

    async def start(self, order: StartOrder) -> Instance:
        """Start an Instance; it is running, or has failed in its own code, when this returns.

        Raises:
            ApiError: the id is taken, the Sequence can't be run here, or the runner could not be started.
            NoRoomError: there is no room for it.
        """
        began = time.monotonic()
        if order.id in self:
            raise ApiError(409, "Instance with a given ID already exists")
        running = len(self._not_ended)
        if self._max_running is not None and running >= self._max_running:
            raise NoRoomError(f"{running} Instances run, and maxInstances allows no more")
        if lack := descriptors.lack(descriptors.PER_START * (self._being_started + 1)):
            raise NoRoomError(lack)
        instance = self._add(order)
        self._being_started += 1
        try:
            await instance.start()
        except ApiError:
            instance.discard()
            for observer in self.observers:
                observer.refused()
            raise
        finally:
            self._being_started -= 1
        self._observe(instance, time.monotonic() - began)
        return instance

    def make(self, sequence: SequenceInfo, request: StartRequest, *, id: str, backing: Backing | None) -> Instance:
        """Make an Instance that an earlier Hub has started; its streams are new without a backing.

        Raises:
            ApiError: it could not be started so any more.
        """
        return self._add(self.order(sequence, request, id=id), backing)

    def adopt(self, instance: Instance) -> None:
        """Have an Instance, made by :meth:`make`, as one that goes on."""
        self._unclaimed.append(instance)
        self._observe(instance, None)

    def claim(self, order: StartOrder) -> Instance | None:
        """An adopted Instance matching this order; each is returned once."""
        for instance in self._unclaimed:
            if instance.sequence.id == order.sequence.id and instance.order.request == order.request:
                self._unclaimed.remove(instance)
                return instance
        return None

    def _add(self, order: StartOrder, backing: Backing | None = None) -> Instance:
        backing = backing or self.make_backing(order.id)
        instance = Instance(order, self, self.runtime, retention=self._retention, backing=backing)
        self._instances[order.id] = instance
        self._by_sequence.setdefault(order.sequence.id, {})[instance] = None
        self._not_ended.add(instance)
        self._listeners.expect(instance)
        return instance

    def _observe(self, instance: Instance, seconds: float | None) -> None:
        self._observed.add(instance.id)
        for observer in self.observers:
            observer.started(instance, seconds)
        if instance.ended.is_set():  # before the start was answered
            self.ended(instance)

    # --- what they tell (see InstanceHost) ----------------------------------------------------------------

    def changed(self, instance: Instance) -> None:
        self._tell(lambda observer: observer.changed(instance))

    def emitted(self, instance: Instance, name: str, message: Any) -> None:
        self._listeners.tell(instance, name, message)

    def expects(self, instance: Instance) -> None:
        self._listeners.expect(instance)

    def listens(self, instance: Instance, names: list[str] | None) -> None:
        self._listeners.add(instance, names)

    def connect(self, instance: Instance, kind: TopicKind, topic: TopicDeclaration) -> Feed:
        return self._connect(instance, kind, topic)

    def secrets_of(self, instance: Instance) -> dict[str, str]:
        given = instance.order.request.secrets or {}
        return {name: each if isinstance(each, str) else self._secret_files.read(each) for name, each in given.items()}

    def directories_of(self, instance: Instance) -> dict[str, Path]:
        return self._directories.make(instance.id, instance.sequence.id)

    def ended(self, instance: Instance) -> None:
        self._not_ended.discard(instance)
        self._listeners.remove(instance)
        if instance.id in self._observed:
            self._tell(lambda observer: observer.ended(instance))

    def gone(self, instance: Instance) -> None:
        self._instances.pop(instance.id, None)
        of_sequence = self._by_sequence.get(instance.sequence.id, {})
        of_sequence.pop(instance, None)
        if not of_sequence:
            self._by_sequence.pop(instance.sequence.id, None)
        self._observed.discard(instance.id)
        if instance in self._unclaimed:
            self._unclaimed.remove(instance)
        self._tell(lambda observer: observer.gone(instance))
        self._gone.set()

    def _tell(self, tell: Callable[[InstanceObserver], None]) -> None:
        """Tell each observer; one that fails, as on a disk that is full, holds up no Instance."""
        for observer in self.observers:
            try:
                tell(observer)
            except Exception:
                log.exception("%s failed", type(observer).__name__)

    async def last_gone(self) -> None:
        """Wait until there is none any more, not even one that is kept after its end."""
        while self:
            self._gone.clear()
            await self._gone.wait()
