"""The store of Sequences: each has an id of its own and the name that its package.json gives it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from transform_hub.errors import PackageError
from transform_hub.hub.sequences.files import Meta, SequenceFiles
from transform_hub.models import SequenceConfig, SequenceInfo
from transform_hub.package import Limits, PackageJson, read_package_json

log = logging.getLogger(__name__)


class SequenceStore:
    """The Sequences of a Hub.

    Args:
        root: the directory they are in; created if missing.
        limits: what an uploaded package may be.
        location: the id of the Hub, which is where they are.
    """

    def __init__(self, root: Path, limits: Limits | None = None, *, location: str = "") -> None:
        self.root = root
        self.limits = limits or Limits()
        self.location = location
        self._files = SequenceFiles(root, self.limits)
        self._sequences: dict[str, SequenceInfo] = {}

    def open(self) -> None:
        """Find the Sequences that are there and remove what interrupted uploads have left.

        Raises:
            HubStartError: the directory can't be created, read or written.
        """
        for path in self._files.open():
            try:
                self._remember(path.name, read_package_json(path), self._files.read_meta(path.name))
            except (PackageError, OSError) as error:
                log.warning("%s is not a Sequence and is left alone: %s", path, error)

    def __iter__(self) -> Iterator[SequenceInfo]:
        return iter(list(self._sequences.values()))

    def get(self, sequence_id: str) -> SequenceInfo | None:
        """The Sequence of an id; None if there is none."""
        return self._sequences.get(sequence_id)

    def find(self, name: str) -> list[SequenceInfo]:
        """The Sequences that a name may mean: the one that has it as id, else all that are named so."""
        by_id = self._sequences.get(name)
        return [by_id] if by_id else [sequence for sequence in self if sequence.name == name]

    async def add(self, body: AsyncIterator[bytes], *, sequence_id: str | None = None) -> SequenceInfo:
        """Store an uploaded package as a new Sequence.

        Args:
            body: the package.
            sequence_id: an id that is free, instead of a random one.

        Raises:
            PackageError: it is not a valid package; nothing is left of it.
            OSError: the disk does not take it.
        """
        sequence_id = sequence_id or str(uuid.uuid4())
        async with self._files.receive(body) as upload:
            self._files.place(sequence_id, upload)
            return self._remember(sequence_id, upload.package, upload.meta)

    async def replace(
        self, sequence_id: str, body: AsyncIterator[bytes], *, check: Callable[[], object]
    ) -> SequenceInfo:
        """Store an uploaded package in the place of another, of which nothing is left.

        Args:
            sequence_id: the Sequence to replace; it keeps its id.
            body: the package.
            check: called when the package is there; an error that it raises keeps the old one. Nothing happens
                in this event loop between the check and the exchange.

        Raises:
            PackageError: it is not a valid package; the old one is kept.
            OSError: the disk does not take it; the old one is kept.
        """
        async with self._files.receive(body) as upload:
            check()
            self._files.swap(sequence_id, upload)
            return self._remember(sequence_id, upload.package, upload.meta)

    async def remove(self, sequence_id: str) -> None:
        """Forget a Sequence and delete its files.

        Raises:
            OSError: its directory can't be moved away.
        """
        doomed = self._files.withdraw(sequence_id)
        del self._sequences[sequence_id]
        await self._files.discard(doomed)

    def _remember(self, sequence_id: str, package: PackageJson, meta: Meta) -> SequenceInfo:
        def given(value: Any) -> Any:
            return msgspec.UNSET if value is None else value

        config = SequenceConfig(
            engines=package.engines or {},
            entrypoint_path=package.main,
            version=package.version or "",
            name=package.name or "",
            id=sequence_id,
            sequence_dir=str(self.root / sequence_id),
            description=given(package.description),
            author=given(package.author),
            keywords=given(package.keywords),
            args=given(package.args),
            repository=given(package.repository),
            language=package.language,
            package_size=given(meta.package_size),
        )
        sequence = SequenceInfo(id=sequence_id, name=package.name or None, config=config, location=self.location)
        self._sequences[sequence_id] = sequence
        return sequence
