"""Instances and topics that outlive their Hub: what is kept of them, and how another Hub goes on with them.

Hub ──record of each change──> .hub/instances/<id>.json
 └──its ends of the channels─> descriptor store: the zygote that has forked the runner      (kill -9 of the Hub)
                                 │
next Hub <──records and ends of the channels, exit codes of those that ended meanwhile
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path

from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.observers import InstanceObserver
from transform_hub.hub.instances.store import InstanceStore
from transform_hub.hub.reattach.fdstore import FdStore, Survivor
from transform_hub.hub.reattach.group_items import PREFIX as GROUPS
from transform_hub.hub.reattach.records import Record, Records, moment, record_of, restore
from transform_hub.hub.reattach.ring import can_spool
from transform_hub.hub.reattach.spool import Spool
from transform_hub.hub.reattach.topic_rings import PREFIX, TopicRings
from transform_hub.hub.sequences.store import SequenceStore
from transform_hub.hub.topics.local import LocalTopics
from transform_hub.models import ENDED
from transform_hub.protocol import CHANNELS

log = logging.getLogger(__name__)


class Survival(InstanceObserver):
    """Keeps the records of a Hub's Instances up to date, and goes on with those of an earlier one.

    Args:
        folder: where the records are.
        fdstore: what holds the descriptors.
        kill: ends a runner of an earlier Hub.
        unread_limit: bytes of stdout, and of stderr, that are held.

    Attributes:
        make_backing: makes what the streams of an Instance stand on; None where this system can't keep streams.
        topics: local topics that outlive the Hub as well; None where this system can't keep them.
    """

    def __init__(self, folder: Path, fdstore: FdStore, kill: Callable[[str], None], unread_limit: int) -> None:
        self._records = Records(folder)
        self._fdstore, self._kill = fdstore, kill
        self._unread_limit = unread_limit
        self._held: set[str] = set()
        self._rings = TopicRings(fdstore)
        self.make_backing: Callable[[str], Spool] | None = self._make_spool if can_spool() else None
        self.topics = LocalTopics(self._rings.make) if can_spool() else None

    def open(self) -> None:
        """Get ready to write."""
        self._records.open()

    def _make_spool(self, instance_id: str) -> Spool:
        return Spool(self._unread_limit, hold_more=functools.partial(self._fdstore.hold_more, instance_id))

    # --- while the Hub lives ------------------------------------------------------------------------------

    def changed(self, instance: Instance) -> None:
        if instance.status in ENDED:  # nothing is left that could outlive the Hub
            self._forget(instance.id)
        elif instance.is_between_runs:
            self._records.save(record_of(instance))  # first: a Hub that finds both knows by it that the run is over
            self._held.discard(instance.id)
            self._fdstore.release(instance.id)
        elif instance.status != "initializing":
            self._records.save(record_of(instance))
            if instance.id not in self._held:
                self._hold(instance)

    def _hold(self, instance: Instance) -> None:
        try:
            self._fdstore.hold(instance.id, instance.streams.descriptors)
        except OSError as error:  # no descriptor is left
            log.warning("Instance %s would not survive the Hub: %s", instance.id, error)
        else:
            self._held.add(instance.id)
            instance.streams.held()

    def gone(self, instance: Instance) -> None:
        self._forget(instance.id)

    def _forget(self, instance_id: str) -> None:
        self._records.remove(instance_id)
        self._held.discard(instance_id)
        self._fdstore.release(instance_id)

    # --- when a Hub starts --------------------------------------------------------------------------------

    async def restore(self, instances: InstanceStore, sequences: SequenceStore) -> None:
        """Go on with all topics and Instances that have outlived an earlier Hub."""
        found = await self._fdstore.survivors()
        survivors = [each for each in found if not each.name.startswith((PREFIX, GROUPS))]
        spools = {
            each.name: Spool.of(
                each.descriptors, self._unread_limit, functools.partial(self._fdstore.hold_more, each.name)
            )
            for each in survivors
        }
        self._restore_topics([each for each in found if each not in survivors], spools.values())

        def make(record: Record, spool: Spool | None) -> Instance | None:
            """The Instance of a record; None if its Sequence is gone."""
            sequence = sequences.get(record.sequence_id)
            if sequence is None:
                return None
            try:
                instance = instances.make(sequence, record.request, id=record.id, backing=spool)
            except ApiError as error:  # this Hub allows less than the earlier one did
                log.warning("Instance %s of an earlier Hub: %s", record.id, error.error)
                return None
            restore(instance, record)
            return instance

        for instance_id in {*self._records.ids()} - {each.name for each in survivors}:
            self._restore_pause(instance_id, instances, make)
        for survivor in survivors:
            spool = spools[survivor.name]
            record = self._records.find(survivor.name)
            if record is not None and record.next_restart is not None:
                self._abandon(survivor, spool)
                self._records.save(record)
                self._restore_pause(survivor.name, instances, make)
                continue
            instance = make(record, spool) if record is not None and {*survivor.descriptors} == {*CHANNELS} else None
            if record is None or instance is None:
                self._abandon(survivor, spool)
            else:
                await self._resume(instance, record, survivor)
                instances.adopt(instance)
        await asyncio.sleep(0)  # in which those that are members of groups claim what they were given
        if self.topics is not None:
            self.topics.settle_groups()

    def _restore_topics(self, survivors: Iterable[Survivor], spools: Iterable[Spool | None]) -> None:
        """Go on with topics; nobody writes them before it is settled how far Instances are in them."""
        ends = {}
        for topic in self._rings.restore(survivors):
            if self.topics is not None:
                self.topics.adopt(topic)
            ends[topic.number] = topic.written
            log.info("Topic %s goes on; it holds %d bytes that nobody has read", topic.name, topic.figures().held)
        for spool in spools:
            if spool is not None:
                spool.provided.settle(ends.get(spool.provided.topic, 0))

    async def _resume(self, instance: Instance, record: Record, survivor: Survivor) -> None:
        """Go on with a runner that has outlived its Hub."""
        self._held.add(instance.id)
        instance.streams.held()
        output = survivor.descriptors.pop("output")
        for name, descriptor in survivor.descriptors.items():
            await instance.streams.adopt(name, descriptor)
        for name in record.ended_sinks:
            getattr(instance.streams, name).end()  # again: it was killed before, or after, it told the runner
        instance.run.resume(record.topics, record.stopping, _age(record.started))
        await instance.streams.adopt("output", output)  # last: what its topic has not got is held by then
        self._fdstore.watch(instance.id, instance.run.exited)
        log.info("Instance %s goes on; it is %s", instance.id, instance.status, extra={"instance": instance.id})

    def _restore_pause(
        self,
        instance_id: str,
        instances: InstanceStore,
        make: Callable[[Record, Spool | None], Instance | None],
    ) -> None:
        """Go on with the pause before a restart; without one nothing is left of an Instance."""
        about = {"instance": instance_id}
        record = self._records.find(instance_id)
        if record is not None and record.next_restart is not None:
            instance = make(record, None)
            if instance is not None:
                instances.adopt(instance)
                instance.await_restart((moment(record.next_restart) - datetime.now(timezone.utc)).total_seconds())
                log.info("Instance %s goes on; it awaits a restart", instance_id, extra=about)
                return
        log.warning("Instance %s of an earlier Hub is lost: nothing has kept it", instance_id, extra=about)
        self._records.remove(instance_id)

    def _abandon(self, survivor: Survivor, spool: Spool | None) -> None:
        """End what was only being started, or has nothing to be known by."""
        about = {"instance": survivor.name}
        log.warning("Instance %s of an earlier Hub can't go on and is ended", survivor.name, extra=about)
        for descriptor in survivor.descriptors.values():
            os.close(descriptor)
        if spool is not None:
            spool.close()
        self._kill(survivor.name)
        self._forget(survivor.name)


def _age(started: str | None) -> float:
    """The seconds since a run began, which another Hub has written down."""
    if started is None:
        return 0
    return max((datetime.now(timezone.utc) - moment(started)).total_seconds(), 0)
