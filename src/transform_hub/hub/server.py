"""The Hub: puts store, Instances, runtime, link and API together; ``serve()`` runs one."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import platform
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from transform_hub.errors import HubStartError
from transform_hub.hub.access.auth import Authentication, Token
from transform_hub.hub.catalog import Catalog
from transform_hub.hub.config import HubConfig
from transform_hub.hub.errors import ApiError
from transform_hub.hub.http.app import make_app
from transform_hub.hub.http.cors import CorsPolicy
from transform_hub.hub.http.parts import Parts
from transform_hub.hub.instances.history import History
from transform_hub.hub.instances.limits import NO_GROUPS, limits_for
from transform_hub.hub.instances.store import InstanceStore
from transform_hub.hub.link.server import LinkServer
from transform_hub.hub.listener import Listener
from transform_hub.hub.lock import Lock
from transform_hub.hub.observability.audit import Audit
from transform_hub.hub.observability.lag import LoopLag
from transform_hub.hub.observability.load import MIB, load_check, shortage
from transform_hub.hub.observability.log import HubLog
from transform_hub.hub.observability.metrics import Metrics
from transform_hub.hub.observability.requests import Requests
from transform_hub.hub.readiness import Readiness
from transform_hub.hub.reattach.fdstore import KeeperPlaces
from transform_hub.hub.reattach.ring import Spool, can_spool
from transform_hub.hub.reattach.survival import Survival
from transform_hub.hub.reattach.topic_rings import Provided, TopicKeeper
from transform_hub.hub.runtimes.process import ProcessRuntime
from transform_hub.hub.runtimes.runtime import Runtime, Survivor
from transform_hub.hub.runtimes.sandbox import find_sandbox
from transform_hub.hub.sequences.store import SequenceStore
from transform_hub.hub.topics.bus import TopicBus, Topics
from transform_hub.hub.topics.feeds import Routing
from transform_hub.models import LoadCheck, StartRequest

log = logging.getLogger(__name__)

HEAP_HINT = 16 * 1024 * 1024
"""glibc gives memory above a threshold back to the system at once and takes it anew for the next chunk, page by
page; it raises that threshold to the size of the largest block it has seen freed (mallopt(3), M_MMAP_THRESHOLD)."""


class Hub:
    """A Transform Hub in this process.

    Attributes:
        sequences: the store of Sequences.
        instances: the store of Instances.
        catalog: the Sequences with their Instances.
        engines: what runs Sequences here, and in which version.
        readiness: whether it takes Sequences and starts Instances.
    """

    def __init__(self, config: HubConfig, runtime: Runtime | None = None, topics: TopicBus | None = None) -> None:
        self.config = config
        self.listener = Listener(
            config.host,
            config.port,
            tls=config.tls,
            max_connections=config.max_connections,
            local_socket=config.sandbox and not config.sandbox_network,
        )
        root = config.sequences_root or config.data_dir / "sequences"
        # Absolute, because runners work in the directories of their Sequences.
        self.sequences = SequenceStore(root.absolute(), config.limits, location=config.hub_id)
        self.instances = InstanceStore(self)
        self.catalog = Catalog(self.sequences, self.instances)
        self.log = HubLog(config.log_level)
        self.audit = Audit(config.hub_id, self.instances.values, interval=config.heartbeat_ms / 1000)
        self.engines = {"python3": platform.python_version()}
        own = () if config.token is None else (Token.of(config.token),)
        self.auth = Authentication((*config.tokens, *own), config.token_file, find_instance=self.instances.get)
        self.link = LinkServer(self.instances.get)
        self.lag = LoopLag()
        self.requests = Requests()
        self.readiness = Readiness()
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
        self._topic_keeper = TopicKeeper(self.runtime) if config.reattach and can_spool() and not topics else None
        self.topics: TopicBus = topics or Topics(self._topic_keeper.make if self._topic_keeper else None)
        self.routing = Routing(self.topics)
        self.metrics = Metrics(self.instances, self.sequences, self.topics, self.requests, self.lag)
        self.history = History(state / "history.ndjson", config.history_limit)
        self.instances.followers += (self.audit.follow, self.metrics.follow, self.history.follow)

    @property
    def url(self) -> str:
        """Base of its REST API, e.g. ``http://127.0.0.1:8000/api/v1``."""
        return self.listener.url

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self.listener.port

    async def start(self, *, ready: bool = True) -> None:
        """Open the store, listen for runners and serve the API.

        Args:
            ready: whether the Hub is ready with that, see :attr:`readiness`.

        Raises:
            HubStartError: the port is in use or not permitted, the data directory can't be used, ...
        """
        self.config.check()
        self.auth.load()
        self.listener.load()
        bytes(HEAP_HINT)
        self.lock.acquire()
        self.sequences.open()
        self.history.open()
        self.log.open()
        await self.link.start()
        await self.runtime.start()
        if self.config.instance_limits.processes is not None and not self.runtime.has_groups:
            raise HubStartError(f"Instances can't be limited: {NO_GROUPS}")
        await self.listener.open(make_app(self._parts()), beside=Path(self.link.address.removeprefix("unix:")))
        log.info("API on %s", self.url)
        if self.survival is not None:  # not before: a Hub that can't listen must leave them to another
            self.survival.open()
            await self.survival.restore(self.instances.revive, self._adopt_topics)
        self.history.close_lost(self.instances)
        self.readiness.can_answer.set()
        self.lag.start()
        if ready:
            self.readiness.begin()

    def _parts(self) -> Parts:
        config = self.config
        return Parts(
            host=config.host,
            authentication=self.auth,
            cors=CorsPolicy(config.cors_origins, config.host, self.auth.is_required, config.insecure),
            readiness=self.readiness,
            sequences=self.sequences,
            instances=self.instances,
            catalog=self.catalog,
            topics=self.topics,
            history=self.history,
            requests=self.requests,
            audit=self.audit,
            metrics=self.metrics,
            log=self.log,
            config=lambda: config.public(self.port),
            load_check=self.load_check,
            require_room=self.require_room,
            check_limits=self.check_limits,
        )

    def _adopt_topics(self, survivors: list[Survivor], spools: list[Spool]) -> None:
        """Go on with the topics of an earlier Hub; nobody writes them before it is settled how far Instances are."""
        ends = {}
        if self._topic_keeper is not None and isinstance(self.topics, Topics):
            for name, content_type, channel in self._topic_keeper.restore(survivors):
                self.topics.adopt(name, content_type, channel)
                ends[channel.number] = channel.written
                log.info("Topic %s goes on; it holds %d bytes that nobody has read", name, channel.size)
        for spool in spools:
            provided = Provided(spool["output"].provided)
            provided.settle(ends.get(provided.topic, 0))

    async def close(self) -> None:
        """End all Instances, then the API, the link and the runtime."""
        self.readiness.drain()
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
        await self.listener.close()
        await self.link.close()
        self.lag.close()
        self.lock.release()

    def reload(self) -> None:
        """Read the files again that may change while the Hub runs; what one that is not right has said still holds."""
        for what, load in (("Tokens", self.auth.load), ("Certificates", self.listener.load)):
            try:
                load()
            except HubStartError as error:
                log.error("%s stay as they were: %s", what, error)  # noqa: TRY400 - the text says it all
            else:
                log.info("%s were read again", what)

    def load_check(self) -> LoadCheck:
        """The load of this machine, its memory, and the disks that matter here."""
        return load_check([Path("/"), Path.home(), self.sequences.root], self.config.safe_operation_limit * MIB)

    def check_limits(self, start: StartRequest) -> None:
        """Refuse limits that are not possible here.

        Raises:
            ApiError: they are not.
        """
        limits_for(start.limits, self.config.instance_limits, has_groups=self.runtime.has_groups)

    def require_room(self) -> None:
        """Refuse another Instance when the machine has no room for it.

        Raises:
            ApiError: there is too little memory or disk, or too much load.
        """
        required = dataclasses.asdict(self.config.instance_requirements)
        if lack := shortage(self.load_check(), **required):
            reason = "Insufficient Space on Resource"
            raise ApiError(419, f"{reason}: {lack}", reason=reason)


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
