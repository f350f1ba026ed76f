"""The parts of a Hub that its API uses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from aiohttp import web

from transform_hub.hub.access.auth import Authentication
from transform_hub.hub.catalog import Catalog
from transform_hub.hub.http.cors import CorsPolicy
from transform_hub.hub.instances.history import History
from transform_hub.hub.instances.store import InstanceStore
from transform_hub.hub.observability.audit import Audit
from transform_hub.hub.observability.log import HubLog
from transform_hub.hub.observability.metrics import Metrics
from transform_hub.hub.observability.requests import Requests
from transform_hub.hub.readiness import Readiness
from transform_hub.hub.sequences.store import SequenceStore
from transform_hub.hub.topics.bus import TopicBus
from transform_hub.hub.turns import Turns
from transform_hub.models import LoadCheck


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
    """What routes find as ``request.app[PARTS]``.

    Attributes:
        host: the address that the Hub was told to listen on.
        config: gives what ``GET /config`` answers.
        load_check: measures the machine.
        turns: where long work is done.
    """

    host: str
    authentication: Authentication
    cors: CorsPolicy
    readiness: Readiness
    sequences: SequenceStore
    instances: InstanceStore
    catalog: Catalog
    topics: TopicBus
    history: History
    requests: Requests
    audit: Audit
    metrics: Metrics
    log: HubLog
    config: Callable[[], dict[str, Any]]
    load_check: Callable[[], LoadCheck]
    turns: Turns


PARTS = web.AppKey("parts", Parts)
