"""The Hub: puts store, Instances, runtime, link and API together; ``serve()`` runs one."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from transform_hub.errors import HubStartError
from transform_hub.hub.access.auth import Authentication, Token
from transform_hub.hub.catalog import Catalog
from transform_hub.hub.config import HubConfig
from transform_hub.hub.http.app import make_app
from transform_hub.hub.http.cors import CorsPolicy
from transform_hub.hub.http.parts import Parts
from transform_hub.hub.instances.directories import Directories
from transform_hub.hub.instances.disk_limit import DiskLimit
from transform_hub.hub.instances.history import History
from transform_hub.hub.instances.limits import NO_GROUPS
from transform_hub.hub.instances.secret_files import SecretFiles
from transform_hub.hub.instances.start_order import StartRules
from transform_hub.hub.instances.store import InstanceStore
from transform_hub.hub.link.backing import Backing, MemoryBacking
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
from transform_hub.hub.reattach.fdstore import FdStore, FdStoreFiles
from transform_hub.hub.reattach.survival import Survival
from transform_hub.hub.runtimes.process import ProcessRuntime
from transform_hub.hub.runtimes.runtime import Runtime
from transform_hub.hub.runtimes.sandbox import find_sandbox
from transform_hub.hub.sequences.store import SequenceStore
from transform_hub.hub.topics.bus import TopicBus
from transform_hub.hub.topics.feeds import Feeds
from transform_hub.hub.topics.local import LocalTopics
from transform_hub.hub.turns import Turns
from transform_hub.models import LoadCheck

log = logging.getLogger(__name__)

HEAP_HINT = 16 * 1024 * 1024
"""glibc gives memory above a threshold back to the system at once and takes it anew for the next chunk, page by
page; it raises that threshold to the size of the largest block it has seen freed (mallopt(3), M_MMAP_THRESHOLD)."""


class _Addresses:
    """Where runners on this machine reach the Hub; the API's address is known once it listens."""

    def __init__(self, link: LinkServer, listener: Listener) -> None:
        self._link, self._listener = link, listener

    @property
    def link(self) -> str:
        return self._link.address

    @property
    def api(self) -> str:
        return self._listener.local_url


class Hub:
    """A Transform Hub in this process.

    Args:
        config: its settings.
        runtime: where its Instances run; processes of this machine by default.
        topics: its topics; local ones by default.

    Attributes:
        sequences: the store of Sequences.
        instances: the store of Instances.
        catalog: the Sequences with their Instances.
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
        state = self.sequences.root / ".hub"
        self.runtime = self._process_runtime(state) if runtime is None else runtime
        self.survival = self._survival(state)
        own_topics = self.survival.topics if self.survival is not None else None
        self.topics: TopicBus = topics if topics is not None else own_topics or LocalTopics()
        self.feeds = Feeds(self.topics)
        self.directories = Directories(state)
        self.secret_files = SecretFiles(config.secrets_dir)
        self.instances = InstanceStore(
            self.runtime,
            self.feeds.connect,
            directories=self.directories,
            secret_files=self.secret_files,
            rules=StartRules(config.instance_limits, config.restart_policy),
            max_running=config.max_instances,
            retention=config.retention_ms / 1000,
        )
        self.disk_limit = DiskLimit(self.instances.values, self.directories.data_dir)
        self.catalog = Catalog(self.sequences, self.instances, self.directories)
        self.log = HubLog(config.log_level)
        self.audit = Audit(config.hub_id, self.instances.values, interval=config.heartbeat_ms / 1000)
        own = () if config.token is None else (Token.of(config.token),)
        self.auth = Authentication((*config.tokens, *own), config.token_file, find_instance=self.instances.get)
        self.link = LinkServer(self.instances.get)
        self.lag = LoopLag()
        self.requests = Requests()
        self.readiness = Readiness()
        self.turns = Turns()
        self.metrics = Metrics(self.instances, self.sequences, self.topics, self.requests, self.lag, turns=self.turns)
        self.history = History(state / "history.ndjson", config.history_limit)
        self.instances.observers += (self.audit, self.metrics, self.history)
        if self.survival is not None:
            self.instances.observers.append(self.survival)
        lasting: Callable[[str], Backing] | None = self.survival.make_backing if self.survival is not None else None
        self.instances.make_backing = lasting or (lambda _: MemoryBacking(config.unread_limit))
        self.lock = Lock(state / "lock")

    def _process_runtime(self, state: Path) -> ProcessRuntime:
        config = self.config
        return ProcessRuntime(
            zygote=config.zygote,
            environment=config.runner_envs,
            sandbox=find_sandbox(network=config.sandbox_network) if config.sandbox else None,
            fdstore=FdStoreFiles(state / "fdstore", config.reattach_timeout_ms / 1000) if config.reattach else None,
            groups_of=state if config.cgroups else None,
            shortage=lambda: shortage(self.load_check(), **dataclasses.asdict(config.instance_requirements)),
        )

    def _survival(self, state: Path) -> Survival | None:
        """What lets Instances outlive this Hub, if they are to."""
        if not self.config.reattach:
            return None
        if not isinstance(self.runtime, FdStore):
            raise HubStartError(f"Instances can't outlive a Hub whose runtime is a {type(self.runtime).__name__}")
        return Survival(state / "instances", self.runtime, self.runtime.kill, self.config.unread_limit)

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
        self.secret_files.check()
        bytes(HEAP_HINT)
        self.lock.acquire()
        self.sequences.open()
        self.history.open()
        self.log.open()
        await self.link.start()
        await self.runtime.start(_Addresses(self.link, self.listener))
        if self.config.instance_limits.processes is not None and "processes" not in self.runtime.limits:
            raise HubStartError(f"Instances can't be limited: {NO_GROUPS}")
        app = make_app(self._parts(), json_limit=self.config.json_limit)
        await self.listener.open(app, beside=Path(self.link.address.removeprefix("unix:")))
        log.info("API on %s", self.url)
        if self.survival is not None:  # not before: a Hub that can't listen must leave them to another
            self.survival.open()
            await self.survival.restore(self.instances, self.sequences)
        self.directories.clear(but_instances=self.instances, but_sequences=[each.id for each in self.sequences])
        self.history.close_lost(self.instances)
        self.readiness.can_answer.set()
        self.lag.start()
        self.disk_limit.start()
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
            turns=self.turns,
        )

    async def close(self) -> None:
        """End all Instances, then the API, the link and the runtime."""
        self.readiness.drain()
        await self.disk_limit.close()
        for instance in self.instances.values():
            instance.kill()
        alive = [asyncio.ensure_future(instance.ended.wait()) for instance in self.instances.values()]
        if alive:
            _, late = await asyncio.wait(alive, timeout=3)
            for waiting in late:
                waiting.cancel()
        await self.runtime.close()
        self.feeds.close()
        await self.topics.close()
        for instance in list(self.instances.values()):
            instance.discard()
        await self.directories.close()
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


@contextlib.asynccontextmanager
async def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
    runtime: Runtime | None = None,
    topics: TopicBus | None = None,
    **settings: Any,
) -> AsyncIterator[Hub]:
    """Run a Hub in this event loop.

    Args:
        host: address to listen on; other than loopback needs ``token`` or ``insecure=True``.
        port: port to listen on; 0 takes a free one.
        data_dir: where Sequences are kept; without one they are gone with the Hub.
        runtime: where Instances run; processes of this machine by default.
        topics: the bus that has its topics; local ones by default.
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
        hub = Hub(HubConfig(host=host, port=port, data_dir=Path(data_dir), **settings), runtime, topics)
        try:
            await hub.start()
            yield hub
        finally:
            await hub.close()
