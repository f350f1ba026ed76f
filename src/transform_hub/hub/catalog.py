"""The Sequences of a Hub together with their Instances: what neither store can do alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

from transform_hub.hub.errors import ApiError
from transform_hub.hub.instances.directories import Directories
from transform_hub.hub.instances.store import InstanceStore
from transform_hub.hub.sequences.store import SequenceStore
from transform_hub.models import SequenceInfo


class Catalog:
    """Describes, replaces and removes Sequences."""

    def __init__(self, sequences: SequenceStore, instances: InstanceStore, directories: Directories) -> None:
        self._sequences = sequences
        self._instances = instances
        self._directories = directories

    def describe(self, sequence: SequenceInfo) -> SequenceInfo:
        """A Sequence with the ids of its Instances."""
        return SequenceInfo(
            id=sequence.id,
            name=sequence.name,
            config=sequence.config,
            location=sequence.location,
            instances=[instance.id for instance in self._instances.of(sequence.id)],
        )

    def describe_if_kept(self, sequence: SequenceInfo) -> SequenceInfo | None:
        """The same as it is by now; None if it was deleted."""
        present = self._sequences.get(sequence.id)
        return present and self.describe(present)

    async def replace(self, sequence: SequenceInfo, body: AsyncIterator[bytes]) -> SequenceInfo:
        """Put a package in the place of a Sequence, whole or not at all.

        Raises:
            ApiError: it has Instances, ended ones included while they are kept, or was deleted meanwhile.
            PackageError: the package is refused.
            OSError: the disk does not take it.
        """
        self._require_unused(sequence)
        return await self._sequences.replace(sequence.id, body, check=lambda: self._require_unused(sequence))

    def _require_unused(self, sequence: SequenceInfo) -> None:
        if self._sequences.get(sequence.id) is None:
            raise ApiError(404, f"Sequence with id: {sequence.id} not found")
        if self._instances.of(sequence.id):
            raise ApiError(409, "Can't update sequence with instances")

    async def remove(self, sequence: SequenceInfo, *, force: bool) -> None:
        """Delete a Sequence; with ``force`` its Instances are killed first.

        Raises:
            ApiError: an Instance of it is running, or it was deleted meanwhile.
            OSError: its directory can't be moved away.
        """
        if force:
            await self._kill_instances(sequence)
        if any(not instance.ended.is_set() for instance in self._instances.of(sequence.id)):
            raise ApiError(409, "Can't remove- Sequence in use")
        if self._sequences.get(sequence.id) is None:
            raise ApiError(404, f"The sequence {sequence.id} does not exist.")
        await self._sequences.remove(sequence.id)
        self._directories.discard_cache(sequence.id)

    async def _kill_instances(self, sequence: SequenceInfo) -> None:
        while instances := self._instances.of(sequence.id):  # more may be started meanwhile
            for instance in instances:
                instance.kill(remove_immediately=True)
            for instance in instances:
                await instance.ended.wait()
