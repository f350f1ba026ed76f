"""How a Hub that has a process to itself ends: in this order, each step for no longer than it says.

    1  not ready        /readyz is 503; packages and starts are refused (503, Retry-After); all else goes on
    2  Instances stop   all at once, for up to the shutdown timeout; then they are killed
    3  readers          of their streams get to the end, for up to DRAIN seconds
    4  the rest         topics and logs end, requests that are open have a second, then connections are cut

What Sequences do in their stop handlers may use the Hub's API: it is there until step 4.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from transform_hub.hub.instances.run import KILL_GRACE

if TYPE_CHECKING:
    from transform_hub.hub.server import Hub

log = logging.getLogger(__name__)

DRAIN = 2.0
"""Seconds that readers of Instances have to get to the end of what was written."""

READERS = ("instances.get_stream", "instances.get_log", "instances.inout")
"""The operations that end when an Instance has, and all of it is read."""


async def shut_down(hub: Hub, *, timeout_ms: int) -> None:
    """Take the Hub to where it can be closed, see above.

    Args:
        hub: that is to end.
        timeout_ms: ms that Instances have to stop; 0 kills them at once.
    """
    hub.begin_to_end()
    await _stop_instances(hub, timeout_ms)
    try:
        await asyncio.wait_for(hub.requests.none_open(READERS), DRAIN)
    except asyncio.TimeoutError:
        log.warning("Readers that have not come to the end of a stream are cut off")


async def _stop_instances(hub: Hub, timeout_ms: int) -> None:
    alive = [instance for instance in hub.instances.values() if not instance.ended.is_set()]
    if not alive:
        return
    log.info("Instances that are to stop: %d", len(alive))
    if timeout_ms > 0:
        stops: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(instance.stop(timeout_ms, can_keep_alive=False)) for instance in alive
        ]
    else:
        for instance in alive:
            instance.kill()
        stops = [asyncio.ensure_future(instance.ended.wait()) for instance in alive]
    # A process that not even SIGKILL ends at once (it waits for a disk) is left to close().
    _, late = await asyncio.wait(stops, timeout=timeout_ms / 1000 + KILL_GRACE + 1)
    for waiting in late:
        waiting.cancel()
