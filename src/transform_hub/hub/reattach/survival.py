"""Instances that outlive their Hub: what is kept of them while they run, and how another Hub goes on with them.

    Hub ──record of each change──> .hub/instances/<id>.json
     └──its ends of the channels─> keeper, the zygote that has forked the runner      (kill -9 of the Hub)
                                     │
    next Hub <──records and ends of the channels, exit codes of those that ended meanwhile

See :mod:`transform_hub.runner.zygote` for the keeper.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.reattach.records import Record, Records
from transform_hub.hub.reattach.ring import Spool, can_spool
from transform_hub.hub.reattach.topic_rings import PREFIX
from transform_hub.hub.runtimes.runtime import Runtime, Survivor
from transform_hub.models import ENDED
from transform_hub.protocol import CHANNELS

log = logging.getLogger(__name__)


class Survival:
    """Keeps the records of a Hub's Instances up to date, and finds those of an earlier one.

    Args:
        folder: where the records are.
        runtime: where the runners are.
    """

    def __init__(self, folder: Path, runtime: Runtime) -> None:
        self._records = Records(folder)
        self._runtime = runtime

    def open(self) -> None:
        """Get ready to write."""
        self._records.open()

    def note(self, instance: Instance) -> None:
        """Something about an Instance has changed; one that has ended has nothing to survive."""
        if instance.status in ENDED:
            self.forget(instance.id)
        elif instance.status != "initializing" or instance.is_between_runs:
            self._records.save(instance.record())

    def forget(self, instance_id: str) -> None:
        """An Instance has nothing that another Hub could go on with."""
        self._records.remove(instance_id)
        self._runtime.release(instance_id)

    async def restore(
        self,
        make: Callable[[Record, Spool | None], Instance | None],
        adopt: Callable[[list[Survivor], list[Spool]], object],
    ) -> None:
        """Go on with all topics and Instances that have outlived an earlier Hub.

        Args:
            make: makes an Instance of a record; None if its Sequence is gone.
            adopt: takes over the topics, before any of the Instances goes on.
        """
        found = await self._runtime.survivors()
        survivors = [each for each in found if not each.id.startswith(PREFIX)]
        spools = {each.id: Spool.of(each.channels) for each in survivors}
        adopt([each for each in found if each.id.startswith(PREFIX)], [each for each in spools.values() if each])
        for instance_id in {*self._records.ids()} - {each.id for each in survivors}:
            self._restore_without_run(instance_id, make)
        for survivor in survivors:
            spool = spools[survivor.id]
            record = self._records.find(survivor.id)
            if record is not None and record.next_restart is not None:
                self._abandon(survivor, spool)
                self._records.save(record)
                self._restore_without_run(survivor.id, make)
                continue
            instance = make(record, spool) if record is not None and {*survivor.channels} == {*CHANNELS} else None
            if record is None or instance is None:
                self._abandon(survivor, spool)
            else:
                await instance.resume(record, survivor)
                log.info("Instance %s goes on; it is %s", instance.id, instance.status, extra={"instance": instance.id})

    def _restore_without_run(self, instance_id: str, make: Callable[[Record, Spool | None], Instance | None]) -> None:
        """Go on with the wait for a restart; without one nothing is left of an Instance."""
        about = {"instance": instance_id}
        record = self._records.find(instance_id)
        if record is not None and record.next_restart is not None:
            instance = make(record, Spool() if can_spool() else None)
            if instance is not None:
                instance.await_restart(record.next_restart)
                log.info("Instance %s goes on; it awaits a restart", instance_id, extra=about)
                return
        log.warning("Instance %s of an earlier Hub is lost: nothing has kept it", instance_id, extra=about)
        self._records.remove(instance_id)

    def _abandon(self, survivor: Survivor, spool: Spool | None) -> None:
        """End what was only being started, or has nothing to be known by."""
        about = {"instance": survivor.id}
        log.warning("Instance %s of an earlier Hub can't go on and is ended", survivor.id, extra=about)
        for descriptor in survivor.channels.values():
            os.close(descriptor)
        if spool is not None:
            spool.close()
        self._runtime.kill(survivor.id)
        self.forget(survivor.id)
