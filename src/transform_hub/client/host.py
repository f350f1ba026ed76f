"""A Hub, seen from outside."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, TypeVar

from transform_hub.client.address import segment
from transform_hub.client.answers import decode
from transform_hub.client.api import ApiClient
from transform_hub.client.body import BINARY, Body, Sendable, body_of
from transform_hub.client.instance import InstanceClient
from transform_hub.client.sequence import SequenceClient
from transform_hub.client.streams import Reader
from transform_hub.client.upload import Upload
from transform_hub.errors import HubTimeoutError, PackageError
from transform_hub.models import (
    Entities,
    InstanceInfo,
    LoadCheck,
    SequenceCreated,
    SequenceInfo,
    Status,
    Version,
)
from transform_hub.package import pack

T = TypeVar("T")


class HostClient(ApiClient):
    """Talks to a Hub.

    It can be used in any event loop, and in several one after the other. ``async with`` or ``close()`` closes
    its connections at once; otherwise they are closed with their event loop.

    Args:
        url: of the Hub's API, like ``http://127.0.0.1:8000/api/v1``; credentials in it are sent as a header.
        token: sent as bearer token; or a function, sync or async, that returns a fresh one. It is called for
            each request, and once more when the Hub does not accept what it returned.
        headers: sent with each request.
        timeout: seconds that a call may take, retries included; None is no limit. Streams have no such limit.
        connect_timeout: seconds for making a connection.
        idle_timeout: seconds that a stream which is read may be silent; None is no limit.

    Raises:
        ValueError: this can't be the URL of a Hub.

    Example:
        >>> async with HostClient("http://127.0.0.1:8000/api/v1") as host:
        ...     sequence = await host.send_sequence("my-sequence")
        ...     instance = await sequence.start(args=["hello"])
        ...     async for line in instance.get_output().lines():
        ...         print(line)
    """

    async def get_version(self) -> Version:
        """Ask which API the Hub serves: ``GET /version``."""
        return await self._call("GET", "/version", Version)

    async def get_status(self) -> Status:
        """Ask whether the Hub is connected to a Manager: ``GET /status``."""
        return await self._call("GET", "/status", Status)

    async def get_load_check(self) -> LoadCheck:
        """Ask for load, memory and disks: ``GET /load-check``."""
        return await self._call("GET", "/load-check", LoadCheck)

    async def get_config(self) -> dict[str, Any]:
        """Ask for the Hub's configuration, as it names its settings: ``GET /config``."""
        return await self._call("GET", "/config", dict[str, Any])

    async def list_sequences(self) -> list[SequenceInfo]:
        """List the Sequences: ``GET /sequences``."""
        return await self._call("GET", "/sequences", list[SequenceInfo])

    async def list_instances(self) -> list[InstanceInfo]:
        """List the Instances, ended ones included while the Hub keeps them: ``GET /instances``."""
        return await self._call("GET", "/instances", list[InstanceInfo])

    async def list_entities(self) -> Entities:
        """List Sequences and Instances: ``GET /entities``."""
        return await self._call("GET", "/entities", Entities)

    async def send_sequence(self, source: str | Sendable) -> SequenceClient:
        """Send a Sequence: ``POST /sequence``.

        Args:
            source: path of a directory, which is packed, or of a tar.gz; or a tar.gz itself, as bytes, open
                file or iterable of chunks.

        Returns:
            The Sequence.

        Raises:
            PackageError: there is nothing at the path, or it can't be packed.
            UnprocessableError: the Hub refuses the package.
            HubTimeoutError: the Hub took nothing for as long as a call may take; an upload that moves may
                last longer.
        """
        created = await self._send_sequence(source, SequenceCreated)
        return self.sequence(created.id)

    def sequence(self, sequence_id: str) -> SequenceClient:
        """The client of a Sequence; nothing is asked of the Hub."""
        return SequenceClient(sequence_id, self)

    def instance(self, instance_id: str) -> InstanceClient:
        """The client of an Instance; nothing is asked of the Hub."""
        return InstanceClient(instance_id, self)

    async def get_sequence_info(self, sequence_id: str) -> SequenceInfo:
        """Look at a Sequence: ``GET /sequence/:id``.

        Raises:
            NotFoundError: there is none with this id.
        """
        return await self._call("GET", sequence_path(sequence_id), SequenceInfo)

    async def delete_sequence(self, sequence_id: str, *, force: bool = False) -> None:
        """Delete a Sequence: ``DELETE /sequence/:id``.

        Args:
            sequence_id: its id.
            force: kill its Instances first.

        Raises:
            NotFoundError: there is none with this id.
            ConflictError: it has Instances.
        """
        headers = {"x-seq-kill-inst": "true"} if force else {}
        await self._call("DELETE", sequence_path(sequence_id), Any, headers=headers)

    async def get_instance_info(self, instance_id: str) -> InstanceInfo:
        """Look at an Instance: ``GET /instance/:id``.

        Raises:
            NotFoundError: there is none with this id; ended ones are forgotten after a while.
        """
        return await self._call("GET", f"/instance/{segment(instance_id, 'an Instance id')}", InstanceInfo)

    def get_log_stream(self) -> Reader:
        """Read the Hub's log, past and future, one JSON object a line: ``GET /log``."""
        return Reader(self.transport, "/log")

    async def _send_sequence(self, source: str | Sendable, answer: type[T]) -> T:
        async with _package(source) as body:
            headers = {"Content-Type": BINARY}
            upload = Upload(self.transport, "/sequence", headers, length=body.length)
            try:
                data = await _send(upload, body, self.transport.timeout)
            finally:
                upload.abort()
        return decode(data, answer, status=200, request=upload.request)


def sequence_path(sequence_id: str) -> str:
    """Path of a Sequence in the API."""
    return f"/sequence/{segment(sequence_id, 'a Sequence id')}"


async def _send(upload: Upload, body: Body, patience: float | None) -> bytes:
    await upload.accepted(patience)
    async with contextlib.aclosing(body.pieces) as pieces:
        async for piece in pieces:
            await _in_time(upload, upload.write(piece), patience)
    upload.finish()
    return await _in_time(upload, upload.confirmed(), patience)


async def _in_time(upload: Upload, step: Awaitable[T], patience: float | None) -> T:
    try:
        return await asyncio.wait_for(step, patience)
    except asyncio.TimeoutError:
        message = f"The Hub took nothing more for {patience:g} s"
        raise HubTimeoutError(message, **upload.request) from None


@contextlib.asynccontextmanager
async def _package(source: str | Sendable) -> AsyncIterator[Body]:
    path = Path(source) if isinstance(source, str) else source
    if not isinstance(path, Path):
        yield body_of(path)
    elif _is_directory(path):
        with tempfile.TemporaryFile(prefix="sequence-") as file:
            packed = await asyncio.to_thread(pack, path, file)
            file.seek(0)
            yield Body(body_of(file).pieces, packed.packed_bytes)
    else:
        yield body_of(path)


def _is_directory(path: Path) -> bool:
    if not path.exists():
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        message = f"There is no {str(path)[:200]!r}{where}; name a tar.gz, or the directory of a Sequence"
        raise PackageError(message, code="no-such-file")
    return path.is_dir()
