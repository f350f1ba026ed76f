"""The directory in which a Hub keeps its Sequences.

    <root>/<id>/                the unpacked package, package.json at its top; see protection.py
    <root>/.meta/<id>.json      what is known of it besides
    <root>/.incoming/<upload>/  uploads on their way, and what is to be deleted; emptied when a Hub starts
    <root>/.replacing/<id>/     an upload that takes the place of a Sequence

A Sequence is there as soon as its directory is: uploads are unpacked aside and moved into place in one step. One
that replaces another takes three, of which a restart finishes what is left once the first is done:

    .incoming/<upload> ─> .replacing/<id>             from here on the new one counts
    <id>               ─> .replacing/<id>/old
    .replacing/<id>/package ─> <id>

So neither a failed upload nor a Hub that is killed leaves half a Sequence, or none where there was one.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tarfile import BLOCKSIZE
from typing import BinaryIO, TypeVar

import msgspec

from transform_hub.errors import HubStartError, PackageError
from transform_hub.hub.private import make_directory, open_file
from transform_hub.hub.sequences.protection import move, protect, remove_tree
from transform_hub.models import Model
from transform_hub.package import Limits, PackageJson, unpack
from transform_hub.package.refusals import not_gzip

T = TypeVar("T")

UNPACKINGS = 2
"""Packages that are unpacked at the same time: more gain nothing, and would leave no thread for anything else."""

GZIP_MAGIC = b"\x1f\x8b"


class Meta(Model):
    """What ``.meta/<id>.json`` holds; sizes in bytes."""

    package_size: int | None = None


@dataclasses.dataclass(frozen=True)
class Upload:
    """A package that has been received and checked; ``folder`` has its files in ``package``."""

    folder: Path
    package: PackageJson
    meta: Meta


class SequenceFiles:
    """Sequences on disk.

    Args:
        root: the directory they are in; created if missing.
        limits: what an uploaded package may be.
    """

    def __init__(self, root: Path, limits: Limits) -> None:
        self.root = root
        self.limits = limits
        self._unpackings = asyncio.Semaphore(UNPACKINGS)
        self._incoming = root / ".incoming"
        self._replacing = root / ".replacing"
        self._meta = root / ".meta"

    def open(self) -> list[Path]:
        """Finish or remove what was interrupted, and list the directories that may be Sequences.

        Raises:
            HubStartError: the directory can't be created, read or written.
        """
        try:
            for folder in (self.root, self._meta, self._replacing, self._incoming):
                make_directory(folder)
            for half in self._replacing.iterdir():
                self._finish(half)
                _remove(half)
            for left in self._incoming.iterdir():
                _remove(left)
            found = sorted(path for path in self.root.iterdir() if path.is_dir() and path.name[0] != ".")
            names = {path.name for path in found}
            for meta in list(self._meta.glob("*.json")):
                if meta.stem not in names and not meta.is_dir():
                    meta.unlink()
        except OSError as error:
            raise HubStartError(
                f"The data directory {self.root} can't be used: {error.strerror}. "
                "Choose another or mend its permissions"
            ) from error
        return found

    @contextlib.asynccontextmanager
    async def receive(self, body: AsyncIterator[bytes]) -> AsyncIterator[Upload]:
        """Take in a package; what has not been placed by then is gone afterwards.

        Raises:
            PackageError: it is not a valid package.
            OSError: the disk does not take it.
        """
        folder = self._incoming / str(uuid.uuid4())
        make_directory(folder)
        try:
            archive = folder / "package.tar.gz"
            meta = Meta(package_size=await self._spool(body, archive))
            async with self._unpackings:
                package = await _in_thread(lambda: self._unpack(archive, folder / "package"))
            with open_file(folder / "meta.json", "wb") as file:
                file.write(msgspec.json.encode(meta))
            yield Upload(folder, package, meta)
        finally:
            await _in_thread(lambda: _remove(folder))

    def place(self, sequence_id: str, upload: Upload) -> None:
        """Make an upload a new Sequence."""
        (upload.folder / "meta.json").replace(self._meta_of(sequence_id))
        move(upload.folder / "package", self.root / sequence_id)

    def swap(self, sequence_id: str, upload: Upload) -> None:
        """Put an upload in the place of a Sequence.

        Raises:
            OSError: the disk does not do it; the old files are where they were.
        """
        staged = upload.folder.rename(self._replacing / sequence_id)
        try:
            self._finish(staged)
        except OSError:
            if not (self.root / sequence_id).exists():
                move(staged / "old", self.root / sequence_id)
            raise
        finally:
            staged.rename(upload.folder)  # where it is removed

    def withdraw(self, sequence_id: str) -> Path:
        """Move a Sequence out of the way, to be discarded.

        Raises:
            OSError: its directory can't be moved.
        """
        doomed = self._incoming / str(uuid.uuid4())
        move(self.root / sequence_id, doomed)
        self._meta_of(sequence_id).unlink(missing_ok=True)
        return doomed

    async def discard(self, doomed: Path) -> None:
        """Delete what was withdrawn."""
        await _in_thread(lambda: _remove(doomed))

    def read_meta(self, sequence_id: str) -> Meta:
        """What is known of a Sequence besides its package.json."""
        with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return msgspec.json.decode(self._meta_of(sequence_id).read_bytes(), type=Meta)
        return Meta()

    def _meta_of(self, sequence_id: str) -> Path:
        return self._meta / f"{sequence_id}.json"

    def _finish(self, staged: Path) -> None:
        """Do what is left of a replacement."""
        place = self.root / staged.name
        if (staged / "package").exists():
            if place.exists():
                move(place, staged / "old")
            move(staged / "package", place)
        if (staged / "meta.json").exists():
            (staged / "meta.json").replace(self._meta_of(staged.name))

    def _unpack(self, archive: Path, folder: Path) -> PackageJson:
        package = unpack(archive, folder, limits=self.limits)
        protect(folder)
        return package

    async def _spool(self, body: AsyncIterator[bytes], archive: Path) -> int:
        """Write the body to disk; stops early at what can't be a package."""
        size = 0
        begun = b""
        with open_file(archive, "wb", buffering=0) as file:
            async for chunk in body:
                if len(begun) < BLOCKSIZE:
                    begun += chunk[:BLOCKSIZE]
                if begun[:2] != GZIP_MAGIC[: len(begun)]:
                    if len(begun) >= BLOCKSIZE:
                        break  # enough to tell what it is
                    continue
                size += len(chunk)
                if size > self.limits.max_archive_bytes:
                    raise too_large(self.limits)
                await asyncio.to_thread(_write, file, chunk)
        if begun[:2] != GZIP_MAGIC[: len(begun)]:
            raise not_gzip(begun)
        return size


def too_large(limits: Limits) -> PackageError:
    """The refusal of a package by its size."""
    return PackageError(f"The package is larger than {limits.max_archive_bytes} bytes", code="too-large")


async def _in_thread(function: Callable[[], T]) -> T:
    """Run in a thread to the end, even if the caller is cancelled: files are not pulled away under it."""
    call = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait({call})
        raise


def _write(file: BinaryIO, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[file.write(view) :]  # a disk that fills up takes a part


def _remove(path: Path) -> None:
    if path.is_dir():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
