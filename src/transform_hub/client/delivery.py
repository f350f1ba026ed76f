"""Sending a Sequence: pack it if it is a directory, then upload it."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from transform_hub.client.answers import decode
from transform_hub.client.body import Body, Progress, Sendable, body_of
from transform_hub.client.transport import Transport
from transform_hub.client.upload import Upload
from transform_hub.errors import HubTimeoutError, PackageError
from transform_hub.models.rules import BINARY

T = TypeVar("T")

observers: list[Callable[[Path, str], None]] = []
"""Called with path and id of each Sequence that was sent: tests know whose code runs."""


async def deliver(
    transport: Transport,
    method: str,
    path: str,
    source: str | Sendable,
    answer: type[T],
    *,
    progress: Progress | None = None,
) -> T:
    """Upload a Sequence.

    Args:
        transport: carries the request.
        method: POST, or PUT to replace one.
        path: below the API's base.
        source: path of a directory or of a tar.gz; or the tar.gz itself, as anything that can be sent.
        answer: type that the answer's JSON is decoded to.
        progress: called after each piece with the bytes so far, and the total.

    Raises:
        PackageError: there is nothing at the path, or it can't be packed.
        UnprocessableError: the Hub refuses the package.
        HubTimeoutError: the Hub took nothing for as long as the timeout of a call.
    """
    async with _package(source) as body:
        upload = Upload(transport, path, {"Content-Type": BINARY}, method=method, length=body.length)
        try:
            data = await _send(upload, body, transport.timeout, progress)
        finally:
            upload.abort()
    decoded = decode(data, answer, status=200, server=transport.server, request=upload.request)
    for observe in observers:
        if isinstance(source, str | Path):
            observe(Path(source), str(getattr(decoded, "id", "")))
    return decoded


async def _send(upload: Upload, body: Body, patience: float | None, progress: Progress | None) -> bytes:
    await upload.accepted(patience)
    sent = 0
    async with contextlib.aclosing(body.pieces) as pieces:
        async for piece in pieces:
            await _in_time(upload, upload.write(piece), patience)
            sent += len(piece)
            if progress is not None:
                progress(sent, body.length)
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
        from transform_hub.package import pack  # noqa: PLC0415 - slow to import for a command that packs nothing

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
