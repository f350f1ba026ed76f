"""The Hub: puts store, Instances, runtime, link and API together; ``serve()`` runs one."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import platform
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from transform_hub.errors import HubStartError
from transform_hub.hub.api import make_app
from transform_hub.hub.audit import Audit
from transform_hub.hub.auth import Authentication
from transform_hub.hub.config import HubConfig
from transform_hub.hub.engines import engine_of, require_engine
from transform_hub.hub.errors import ApiError
from transform_hub.hub.history import History
from transform_hub.hub.instances import Instance
from transform_hub.hub.lag import LoopLag
from transform_hub.hub.limits import NO_GROUPS, for_runner, limits_for
from transform_hub.hub.link import LinkServer
from transform_hub.hub.load import MIB, load_check, shortage
from transform_hub.hub.lock import Lock
from transform_hub.hub.log import HubLog
from transform_hub.hub.metrics import Metrics
from transform_hub.hub.records import Record
from transform_hub.hub.requests import Requests
from transform_hub.hub.restarts import policy_of
from transform_hub.hub.routing import Routing
from transform_hub.hub.runtimes import Runtime
from transform_hub.hub.runtimes.keepers import KeeperPlaces
from transform_hub.hub.runtimes.node import find_node
from transform_hub.hub.runtimes.process import ProcessRuntime
from transform_hub.hub.runtimes.sandbox import find_sandbox
from transform_hub.hub.sequences import SequenceStore
from transform_hub.hub.site import Site
from transform_hub.hub.spool import Spool, can_spool
from transform_hub.hub.survival import Survival
from transform_hub.hub.topics import TopicBus, Topics
from transform_hub.models import LoadCheck, SequenceInfo, StartRequest

log = logging.getLogger(__name__)

HEAP_HINT = 16 * 1024 * 1024
"""glibc gives memory above a threshold back to the system at once and takes it anew for the next chunk, page by
page; it raises that threshold to the size of the largest block it has seen freed (mallopt(3), M_MMAP_THRESHOLD)."""


class Hub:
    """A Transform Hub in this process.

    Attributes:
        sequences: the store of Sequences.
        instances: the Instances that are running or kept after their end, by id.
        engines: what runs Sequences here, and in which version.
        not_ready: why it takes no Sequences and starts no Instances, if it does not.
    """

    def __init__(self, config: HubConfig, runtime: Runtime | None = None, topics: TopicBus | None = None) -> None:
        self.config = config
        self.site = Site(config)
        root = config.sequences_root or config.data_dir / "sequences"
        # Absolute, because runners work in the directories of their Sequences.
        self.sequences = SequenceStore(root.absolute(), config.limits, location=config.hub_id)
        self.instances: dict[str, Instance] = {}
        self._gone = asyncio.Event()
        self.topics: TopicBus = topics or Topics()
        self.routing = Routing(self.topics)
        self.log = HubLog(config.log_level)
        self.audit = Audit(config.hub_id, self.instances.values, interval=config.heartbeat_ms / 1000)
        self.engines = {"python3": platform.python_version()}
        self.auth = Authentication(config, self.instances.get)
        self.link = LinkServer(self.instances.get)
        self.lag = LoopLag()
        self.requests = Requests()
        self.metrics = Metrics(self)
        self.is_ending = False
        self.not_ready: str | None = "The Hub is starting up"
        state = self.sequences.root / ".hub"
        self.lock = Lock(state / "lock")
        keepers = KeeperPlaces(state / "keepers", config.reattach_timeout_ms / 1000) if config.reattach else None
        self.runtime = runtime or ProcessRuntime(
            zygote=config.zygote,
            environment=config.runner_envs,
            sandbox=find_sandbox(network=config.sandbox_network) if config.sandbox else None,
            keepers=keepers,
            groups_of=state if config.cgroups else None,
        )
        self.survival = Survival(state / "instances", self.runtime) if config.reattach else None
        self.history = History(state / "history.ndjson", config.history_limit)
        self.ready = asyncio.Event()
        self._unclaimed: list[Instance] = []

    @property
    def url(self) -> str:
        """Base of its REST API, e.g. ``http://127.0.0.1:8000/api/v1``."""
        return self.site.url

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self.site.port

    async def start(self, *, ready: bool = True) -> None:
        """Open the store, listen for runners and serve the API.

        Args:
            ready: whether the Hub is ready with that, see :attr:`not_ready`.

        Raises:
            HubStartError: the port is in use or not permitted, the data directory can't be used, ...
        """
        self.config.check()
        self.auth.load()
        self.site.load()
        bytes(HEAP_HINT)
        self.lock.acquire()
        self.sequences.open()
        self.history.open()
        self.log.open()
        await self.link.start()
        await self.runtime.start()
        if self.config.instance_limits.processes is not None and not self.runtime.has_groups:
            raise HubStartError(f"Instances can't be limited: {NO_GROUPS}")
        await self.site.open(make_app(self), beside=Path(self.link.address.removeprefix("unix:")))
        log.info("API on %s", self.url)
        if self.survival is not None:  # not before: a Hub that can't listen must leave them to another
            self.survival.open()
            await self.survival.restore(self._revive)
        self.history.close_lost(self.instances)
        self.ready.set()
        self.lag.start()
        if ready:
            self.not_ready = None

    async def close(self) -> None:
        """End all Instances, then the API, the link and the runtime."""
        self.begin_to_end()
        for instance in self.instances.values():
            instance.kill()
        alive = [asyncio.ensure_future(instance.ended.wait()) for instance in self.instances.values()]
        if alive:
            _, late = await asyncio.wait(alive, timeout=3)
            for waiting in late:
                waiting.cancel()
        await self.runtime.close()
        self.routing.close()
        self.topics.close()
        for instance in list(self.instances.values()):
            instance.discard()
        self.log.close()
        self.audit.close()
        self.history.close()
        await self.site.close()
        await self.link.close()
        self.lag.close()
        self.lock.release()

    def begin_to_end(self) -> None:
        """Take no packages and no starts any more."""
        self.is_ending = True
        self.not_ready = "The Hub is ending"

    def require_lasting(self) -> None:
        """Refuse what a Hub that ends can't begin any more.

        Raises:
            ApiError: it ends.
        """
        if self.is_ending:
            raise ApiError(503, "The Hub is ending: try again when it is back", headers={"Retry-After": "5"})

    def reload(self) -> None:
        """Read the files again that may change while the Hub runs; what one that is not right has said still holds."""
        for what, load in (("Tokens", self.auth.load), ("Certificates", self.site.load)):
            try:
                load()
            except HubStartError as error:
                log.error("%s stay as they were: %s", what, error)  # noqa: TRY400 - the text says it all
            else:
                log.info("%s were read again", what)

    def load_check(self) -> LoadCheck:
        """The load of this machine, its memory, and the disks that matter here."""
        return load_check([Path("/"), Path.home(), self.sequences.root], self.config.safe_operation_limit * MIB)

    def require_room(self) -> None:
        """Refuse another Instance when the machine has no room for it.

        Raises:
            ApiError: there is too little memory or disk, or too much load.
        """
        if lack := shortage(self.load_check(), self.config.instance_requirements):
            reason = "Insufficient Space on Resource"
            raise ApiError(419, f"{reason}: {lack}", reason=reason)

    def instances_of(self, sequence_id: str) -> list[Instance]:
        """The Instances of a Sequence, ended ones included while they are kept."""
        return [instance for instance in self.instances.values() if instance.sequence.id == sequence_id]

    def describe(self, sequence: SequenceInfo) -> SequenceInfo:
        """A Sequence with the ids of its Instances."""
        return SequenceInfo(
            id=sequence.id,
            name=sequence.name,
            config=sequence.config,
            location=sequence.location,
            instances=[instance.id for instance in self.instances_of(sequence.id)],
        )

    async def start_instance(self, sequence: SequenceInfo, request: StartRequest) -> Instance:
        """Start an Instance; it is running, or has failed in its own code, when this returns.

        Raises:
            ApiError: the id is taken, the language can't be run here, or the runner could not be started.
        """
        began = time.monotonic()
        limits = limits_for(request.limits, self.config.instance_limits, has_groups=self.runtime.has_groups)
        request = msgspec.structs.replace(request, limits=limits)
        await self._engine(sequence)
        instance_id = request.instance_id or str(uuid.uuid4())
        if instance_id in self.instances:
            raise ApiError(409, "Instance with a given ID already exists")
        self._require_few()
        spool = Spool() if self.survival is not None and can_spool() else None
        instance = self._add_instance(instance_id, sequence, request, spool=spool)
        try:
            await instance.start()
        except ApiError:
            instance.discard()
            self.metrics.refused()
            raise
        self.audit.follow(instance)
        self.metrics.started(instance, began)
        self.history.follow(instance)
        return instance

    def _add_instance(
        self,
        instance_id: str,
        sequence: SequenceInfo,
        request: StartRequest,
        *,
        spool: Spool | None,
        record: Record | None = None,
    ) -> Instance:
        instance = self.instances[instance_id] = Instance(
            instance_id,
            sequence,
            request,
            make_spec=functools.partial(self._spec, sequence, request),
            runtime=self.runtime,
            policy=policy_of(request.restart or self.config.restart_policy),
            retention=self.config.retention_ms / 1000,
            on_event=self._spread_event,
            on_topic=self.routing.connect,
            on_gone=self._forget,
            on_change=self.survival.note if self.survival is not None else lambda _: None,
            spool=spool,
            record=record,
        )
        return instance

    def _revive(self, record: Record, spool: Spool | None) -> Instance | None:
        """The Instance of an earlier Hub; None if its Sequence is gone."""
        sequence = self.sequences.get(record.sequence_id)
        if sequence is None:
            return None
        instance = self._add_instance(record.id, sequence, record.request, spool=spool, record=record)
        self.audit.follow(instance)
        self.metrics.follow(instance)
        self.history.follow(instance)
        self._unclaimed.append(instance)
        return instance

    def claim(self, sequence: SequenceInfo, request: StartRequest) -> Instance | None:
        """An Instance that has outlived an earlier Hub and was started so; each is given once."""
        for instance in self._unclaimed:
            if instance.sequence.id == sequence.id and instance.request == request:
                self._unclaimed.remove(instance)
                return instance
        return None

    def _require_few(self) -> None:
        running = sum(not instance.ended.is_set() for instance in self.instances.values())
        if self.config.max_instances is not None and running >= self.config.max_instances:
            reason = "Insufficient Space on Resource"
            raise ApiError(419, f"{reason}: {running} Instances run, and maxInstances allows no more", reason=reason)

    async def _engine(self, sequence: SequenceInfo) -> dict[str, str]:
        """What the spec says about the engine of a Sequence."""
        if engine_of(sequence.config) != "node":
            require_engine(sequence.config, self.engines)
            return {}
        node = await find_node()
        require_engine(sequence.config, {"node": node.version} if node else {})
        assert node is not None
        return {"node": node.path}

    async def _spec(self, sequence: SequenceInfo, request: StartRequest) -> dict[str, Any]:
        return {
            **await self._engine(sequence),
            "link": self.link.address,
            "hub": self.site.local_url,
            "dir": sequence.config.sequence_dir,
            "main": sequence.config.entrypoint_path,
            "args": request.args or [],
            "config": request.app_config or {},
            "limits": for_runner(request.limits),
        }

    def _forget(self, instance: Instance) -> None:
        self.instances.pop(instance.id, None)
        self.metrics.gone(instance)
        if instance in self._unclaimed:
            self._unclaimed.remove(instance)
        if self.survival is not None:
            self.survival.forget(instance.id)
        else:
            self.runtime.release(instance.id)
        self._gone.set()

    async def last_instance_gone(self) -> None:
        """Wait until there is no Instance any more, not even one that is kept after its end."""
        while self.instances:
            self._gone.clear()
            await self._gone.wait()

    def _spread_event(self, source: Instance, name: str, message: Any) -> None:
        for instance in self.instances.values():
            if instance is not source:
                instance.run.send_event(name, message, source.id)

    async def replace_sequence(self, sequence: SequenceInfo, body: AsyncIterator[bytes]) -> SequenceInfo:
        """Put a package in the place of a Sequence, whole or not at all.

        Raises:
            ApiError: it has Instances, ended ones included while they are kept, or was deleted meanwhile.
            PackageError: the package is refused.
            OSError: the disk does not take it.
        """
        self.require_unused(sequence)
        return await self.sequences.replace(sequence.id, body, check=lambda: self.require_unused(sequence))

    def require_unused(self, sequence: SequenceInfo) -> None:
        """Refuse to replace a Sequence that has Instances.

        Raises:
            ApiError: it has some, or is no longer there.
        """
        if self.sequences.get(sequence.id) is None:
            raise ApiError(404, f"Sequence with id: {sequence.id} not found")
        if self.instances_of(sequence.id):
            raise ApiError(409, "Can't update sequence with instances")

    async def remove_sequence(self, sequence: SequenceInfo, *, force: bool) -> None:
        """Delete a Sequence; with ``force`` its Instances are killed first.

        Raises:
            ApiError: an Instance of it is running, or it was deleted meanwhile.
        """
        if force:
            await self._kill_instances(sequence)
        if any(not instance.ended.is_set() for instance in self.instances_of(sequence.id)):
            raise ApiError(409, "Can't remove- Sequence in use")
        if self.sequences.get(sequence.id) is None:
            raise ApiError(404, f"The sequence {sequence.id} does not exist.")
        await self.sequences.remove(sequence.id)

    async def _kill_instances(self, sequence: SequenceInfo) -> None:
        while instances := self.instances_of(sequence.id):  # others may be started meanwhile
            for instance in instances:
                instance.kill(remove_immediately=True)
            for instance in instances:
                await instance.ended.wait()


@contextlib.asynccontextmanager
async def serve(
    *, host: str = "127.0.0.1", port: int = 0, data_dir: str | os.PathLike[str] | None = None, **settings: Any
) -> AsyncIterator[Hub]:
    """Run a Hub in this event loop.

    Args:
        host: address to listen on; other than loopback needs ``token`` or ``insecure=True``.
        port: port to listen on; 0 takes a free one.
        data_dir: where Sequences are kept; without one they are gone with the Hub.
        settings: any other field of :class:`transform_hub.hub.config.HubConfig`.

    Yields:
        The running :class:`Hub`; its API is at ``hub.url``.

    Raises:
        HubStartError: the port is in use, the data directory can't be written, ...

    Example:
        >>> async with serve(port=0) as hub, HostClient(hub.url) as host:
        ...     print(await host.get_version())
    """
    with contextlib.ExitStack() as stack:
        if data_dir is None:
            data_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="sth-data-"))
        hub = Hub(HubConfig(host=host, port=port, data_dir=Path(data_dir), **settings))
        try:
            await hub.start()
            yield hub
        finally:
            await hub.close()
