"""The Instances of a Hub: started, taken over from an earlier Hub, and kept for a while after their end."""

from __future__ import annotations

import asyncio
import functools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.limits import for_runner, limits_for
from transform_hub.hub.instances.restarts import policy_of
from transform_hub.hub.reattach.records import Record
from transform_hub.hub.reattach.ring import Spool, can_spool
from transform_hub.hub.runtimes.node import find_node
from transform_hub.hub.sequences.engines import engine_of, require_engine
from transform_hub.models import SequenceInfo, StartRequest

if TYPE_CHECKING:
    from transform_hub.hub.server import Hub


class InstanceStore(Mapping[str, Instance]):
    """The Instances that run or are kept after their end, by id.

    Args:
        hub: whose they are.

    Attributes:
        followers: called with each Instance that has come, by a start or from an earlier Hub.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._instances: dict[str, Instance] = {}
        self._unclaimed: list[Instance] = []
        self._gone = asyncio.Event()
        self.followers: list[Callable[[Instance], object]] = []

    def __getitem__(self, instance_id: str) -> Instance:
        return self._instances[instance_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._instances)

    def __len__(self) -> int:
        return len(self._instances)

    def of(self, sequence_id: str) -> list[Instance]:
        """Those of a Sequence, ended ones included while they are kept."""
        return [instance for instance in self.values() if instance.sequence.id == sequence_id]

    # --- how they come ------------------------------------------------------------------------------------

    async def start(self, sequence: SequenceInfo, request: StartRequest) -> Instance:
        """Start an Instance; it is running, or has failed in its own code, when this returns.

        Raises:
            ApiError: the id is taken, the language can't be run here, or the runner could not be started.
        """
        began = time.monotonic()
        request = self._with_limits(request)
        await self._engine(sequence)
        instance_id = request.instance_id or str(uuid.uuid4())
        if instance_id in self:
            raise ApiError(409, "Instance with a given ID already exists")
        self._require_few()
        spool = Spool() if self._hub.survival is not None and can_spool() else None
        instance = self._add(instance_id, sequence, request, spool=spool)
        try:
            await instance.start()
        except ApiError:
            instance.discard()
            self._hub.metrics.refused()
            raise
        self._hub.metrics.started(instance, time.monotonic() - began)
        self._follow(instance)
        return instance

    def revive(self, record: Record, spool: Spool | None) -> Instance | None:
        """The Instance of an earlier Hub; None if its Sequence is gone."""
        sequence = self._hub.sequences.get(record.sequence_id)
        if sequence is None:
            return None
        instance = self._add(record.id, sequence, record.request, spool=spool, record=record)
        self._follow(instance)
        self._unclaimed.append(instance)
        return instance

    def claim(self, sequence: SequenceInfo, request: StartRequest) -> Instance | None:
        """An Instance that has outlived an earlier Hub and was started so; each is given once.

        Raises:
            ApiError: the limits are not possible, or more than the Hub allows.
        """
        request = self._with_limits(request)
        for instance in self._unclaimed:
            if instance.sequence.id == sequence.id and instance.request == request:
                self._unclaimed.remove(instance)
                return instance
        return None

    def _with_limits(self, request: StartRequest) -> StartRequest:
        of_hub, has_groups = self._hub.config.instance_limits, self._hub.runtime.has_groups
        limits = limits_for(request.limits, of_hub, has_groups=has_groups)
        return msgspec.structs.replace(request, limits=limits)

    def _require_few(self) -> None:
        most = self._hub.config.max_instances
        running = sum(not instance.ended.is_set() for instance in self.values())
        if most is not None and running >= most:
            reason = "Insufficient Space on Resource"
            raise ApiError(419, f"{reason}: {running} Instances run, and maxInstances allows no more", reason=reason)

    def _add(
        self,
        instance_id: str,
        sequence: SequenceInfo,
        request: StartRequest,
        *,
        spool: Spool | None,
        record: Record | None = None,
    ) -> Instance:
        hub = self._hub
        instance = self._instances[instance_id] = Instance(
            instance_id,
            sequence,
            request,
            make_spec=functools.partial(self._spec, sequence, request),
            runtime=hub.runtime,
            policy=policy_of(request.restart or hub.config.restart_policy),
            retention=hub.config.retention_ms / 1000,
            on_event=self._spread_event,
            on_topic=hub.routing.connect,
            on_gone=self._forget,
            on_change=hub.survival.note if hub.survival is not None else lambda _: None,
            spool=spool,
            record=record,
        )
        return instance

    def _follow(self, instance: Instance) -> None:
        for follow in self.followers:
            follow(instance)

    # --- what their runners have to know ------------------------------------------------------------------

    async def _spec(self, sequence: SequenceInfo, request: StartRequest) -> dict[str, Any]:
        return {
            **await self._engine(sequence),
            "link": self._hub.link.address,
            "hub": self._hub.listener.local_url,
            "dir": sequence.config.sequence_dir,
            "main": sequence.config.entrypoint_path,
            "args": request.args or [],
            "config": request.app_config or {},
            "limits": for_runner(request.limits),
        }

    async def _engine(self, sequence: SequenceInfo) -> dict[str, str]:
        if engine_of(sequence.config) != "node":
            require_engine(sequence.config, self._hub.engines)
            return {}
        node = await find_node()
        require_engine(sequence.config, {"node": node.version} if node else {})
        assert node is not None
        return {"node": node.path}

    def _spread_event(self, source: Instance, name: str, message: Any) -> None:
        for instance in self.values():
            if instance is not source:
                instance.run.send_event(name, message, source.id)

    # --- how they go --------------------------------------------------------------------------------------

    def _forget(self, instance: Instance) -> None:
        self._instances.pop(instance.id, None)
        self._hub.metrics.gone(instance)
        if instance in self._unclaimed:
            self._unclaimed.remove(instance)
        if self._hub.survival is not None:
            self._hub.survival.forget(instance.id)
        else:
            self._hub.runtime.release(instance.id)
        self._gone.set()

    async def last_gone(self) -> None:
        """Wait until there is none any more, not even one that is kept after its end."""
        while self:
            self._gone.clear()
            await self._gone.wait()
