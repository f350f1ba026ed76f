"""The store of Sequences: one directory each, named by the Sequence's id.

    <root>/<id>/            the unpacked package, package.json at its top
    <root>/.meta/<id>.json  what is known of it besides
    <root>/.incoming/       uploads on their way; emptied when a Hub starts

A Sequence is there as soon as its directory is: uploads are unpacked aside and moved into place in one step, so
that neither a failed upload nor a Hub that is killed leaves half a Sequence.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from transform_hub.errors import HubStartError, PackageError
from transform_hub.models import Model, SequenceConfig, SequenceInfo
from transform_hub.package import Limits, PackageJson, read_package_json, unpack

log = logging.getLogger(__name__)

T = TypeVar("T")

GZIP_MAGIC = b"\x1f\x8b"


class Meta(Model):
    """What ``.meta/<id>.json`` holds; sizes in bytes."""

    package_size: int | None = None


class SequenceStore:
    """Sequences on disk.

    Args:
        root: the directory they are in; created if missing.
        limits: what an uploaded package may be.
    """

    def __init__(self, root: Path, limits: Limits | None = None) -> None:
        self.root = root
        self.limits = limits or Limits()
        self._incoming = root / ".incoming"
        self._meta = root / ".meta"
        self._sequences: dict[str, SequenceInfo] = {}

    def open(self) -> None:
        """Find the Sequences that are there and remove what interrupted uploads have left.

        Raises:
            HubStartError: the directory can't be created, read or written.
        """
        try:
            for folder in (self.root, self._meta):
                folder.mkdir(parents=True, exist_ok=True)
            if self._incoming.exists():
                shutil.rmtree(self._incoming)
            self._incoming.mkdir()
            found = sorted(path for path in self.root.iterdir() if path.is_dir() and path.name[0] != ".")
        except OSError as error:
            raise HubStartError(
                f"The data directory {self.root} can't be used: {error.strerror}. "
                "Choose another or mend its permissions"
            ) from error
        for path in found:
            try:
                self._remember(path.name, read_package_json(path), self._read_meta(path.name))
            except (PackageError, OSError) as error:
                log.warning("%s is not a Sequence and is left alone: %s", path, error)

    def __iter__(self) -> Iterator[SequenceInfo]:
        return iter(list(self._sequences.values()))

    def get(self, sequence_id: str) -> SequenceInfo | None:
        """The Sequence of an id; None if there is none."""
        return self._sequences.get(sequence_id)

    async def add(self, body: AsyncIterator[bytes]) -> SequenceInfo:
        """Store an uploaded package as a new Sequence.

        Raises:
            PackageError: it is not a valid package; nothing is left of it.
            OSError: the disk does not take it.
        """
        sequence_id = str(uuid.uuid4())
        archive = self._incoming / f"{sequence_id}.tar.gz"
        unpacked = self._incoming / sequence_id
        try:
            size = await self._spool(body, archive)
            package = await _in_thread(lambda: unpack(archive, unpacked, limits=self.limits))
            meta = Meta(package_size=size)
            await _in_thread(lambda: self._commit(sequence_id, unpacked, meta))
        finally:
            await _in_thread(lambda: _remove(archive, unpacked))
        return self._remember(sequence_id, package, meta)

    async def remove(self, sequence_id: str) -> None:
        """Forget a Sequence and delete its files.

        Raises:
            OSError: its directory can't be moved away.
        """
        doomed = self._incoming / str(uuid.uuid4())
        (self.root / sequence_id).rename(doomed)
        del self._sequences[sequence_id]
        await _in_thread(lambda: _remove(self._meta / f"{sequence_id}.json", doomed))

    async def _spool(self, body: AsyncIterator[bytes], archive: Path) -> int:
        """Write the body to disk; stops early at what can't be a package."""
        size = 0
        with archive.open("wb", buffering=0) as file:
            async for chunk in body:
                if size == 0 and not GZIP_MAGIC.startswith(chunk[:2]):
                    raise PackageError("The package is not a tar.gz archive", code="not-an-archive")
                size += len(chunk)
                if size > self.limits.max_archive_bytes:
                    raise PackageError(
                        f"The package is larger than {self.limits.max_archive_bytes} bytes", code="too-large"
                    )
                await asyncio.to_thread(file.write, chunk)
        return size

    def _commit(self, sequence_id: str, unpacked: Path, meta: Meta) -> None:
        (self._meta / f"{sequence_id}.json").write_bytes(msgspec.json.encode(meta))
        unpacked.rename(self.root / sequence_id)

    def _read_meta(self, sequence_id: str) -> Meta:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode((self._meta / f"{sequence_id}.json").read_bytes(), type=Meta)
        return Meta()

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
        sequence = SequenceInfo(id=sequence_id, config=config)
        self._sequences[sequence_id] = sequence
        return sequence


async def _in_thread(function: Callable[[], T]) -> T:
    """Run in a thread to the end, even if the caller is cancelled: files are not pulled away under it."""
    call = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait({call})
        raise


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
