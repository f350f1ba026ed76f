"""How a Hub with a process of its own shuts down: in this order, each step with a time limit.

    1  not ready        /readyz is 503; packages and starts are refused (503, Retry-After); all else goes on
    2  Instances stop   all at once, for up to the shutdown timeout; then they are killed
    3  readers          of their streams read to the end, for up to DRAIN seconds
    4  the rest         topics and logs end, open requests have a second, then connections are cut

Stop handlers of Sequences may still use the Hub's API: it is there until step 4.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from transform_hub.hub.instances.run import KILL_GRACE
from transform_hub.hub.instances.store import InstanceStore
from transform_hub.hub.observability.requests import Requests
from transform_hub.hub.readiness import Readiness

log = logging.getLogger(__name__)

DRAIN = 2.0
"""Seconds that readers of Instances have to read what was written, to its end."""


async def shut_down(readiness: Readiness, instances: InstanceStore, requests: Requests, *, timeout_ms: int) -> None:
    """Take a Hub through steps 1 to 3; closing it is the last.

    Args:
        readiness: is ended.
        instances: are stopped.
        requests: that read Instances are waited for.
        timeout_ms: ms that Instances have to stop; 0 kills them at once.
    """
    readiness.drain()
    await _stop_instances(instances, timeout_ms)
    try:
        await asyncio.wait_for(requests.drained(), DRAIN)
    except asyncio.TimeoutError:
        log.warning("Cutting off readers that have not reached the end of their stream")


async def _stop_instances(instances: InstanceStore, timeout_ms: int) -> None:
    alive = [instance for instance in instances.values() if not instance.ended.is_set()]
    if not alive:
        return
    log.info("Instances to stop: %d", len(alive))
    if timeout_ms > 0:
        stops: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(instance.stop(timeout_ms, can_keep_alive=False)) for instance in alive
        ]
    else:
        for instance in alive:
            instance.kill()
        stops = [asyncio.ensure_future(instance.ended.wait()) for instance in alive]
    # Not even SIGKILL ends a process at once that waits for a disk: close() waits for it again.
    _, late = await asyncio.wait(stops, timeout=timeout_ms / 1000 + KILL_GRACE + 1)
    for waiting in late:
        waiting.cancel()
