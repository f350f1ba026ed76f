"""Running a Sequence from its package to its exit code, as ``subprocess.run`` runs a program."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from transform_hub.client.body import Sendable
from transform_hub.client.follower import Follower
from transform_hub.client.readable import Gap
from transform_hub.client.sequence import SequenceClient
from transform_hub.errors import (
    ConflictError,
    HubError,
    InstanceEndedError,
    InstanceFailedError,
    InstanceTimeoutError,
    MethodNotAllowedError,
    NotFoundError,
    OutputTooLargeError,
    StreamError,
)

if TYPE_CHECKING:
    from transform_hub.client.host import HostClient
    from transform_hub.client.instance import InstanceClient

log = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024 * 1024
"""Bytes that are kept of each stream."""

CLEANING = 30.0
"""Seconds for cleaning up; STH needs 16."""

ANSWERING = 5.0
"""Seconds for the answer to a complete upload, after a cancellation."""


@dataclass(frozen=True)
class CompletedInstance:
    """How an Instance ended, and what it wrote; like :class:`subprocess.CompletedProcess`.

    Attributes:
        id: of the Instance.
        args: its arguments.
        returncode: its exit code.
        reason: why it ended.
        output: what the Sequence returned.
        stdout, stderr: what it printed.
    """

    id: str
    args: list[Any]
    returncode: int
    reason: str
    output: bytes = field(repr=False)
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)

    def check_returncode(self) -> None:
        """Raise an error if the Instance failed.

        Raises:
            InstanceFailedError: its exit code is not 0.
        """
        if self.returncode:
            words = self.stderr[-1000:].decode("utf-8", "replace").strip()
            message = f"Instance {self.id} ended with exit code {self.returncode}: {self.reason}"
            raise InstanceFailedError(
                f"{message}\n{words}" if words else message,
                id=self.id,
                returncode=self.returncode,
                reason=self.reason,
                output=self.output,
                stdout=self.stdout,
                stderr=self.stderr,
            )


async def run(
    host: HostClient,
    source: str | Sendable | SequenceClient,
    *,
    input: Sendable | None,
    content_type: str | None,
    stdin: Sendable | None,
    timeout: float | None,
    reconnect_timeout: float | None,
    max_bytes: int | None,
    **options: Any,
) -> CompletedInstance:
    """See :meth:`HostClient.run`; ``options`` are those of :meth:`SequenceClient.start`."""
    async with _sequence(host, source) as sequence, _instance(sequence, options) as instance:
        talk = _Conversation(instance, max_bytes, reconnect_timeout)
        talking = asyncio.ensure_future(talk.whole(input, content_type, stdin))
        try:
            await asyncio.wait({talking}, timeout=timeout)
            if not talking.done():
                message = f"Instance {instance.id} did not end within {timeout:g} s and was killed"
                raise InstanceTimeoutError(message, id=instance.id, **talk.heard())
            end = talking.result()
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
    args = list(options.get("args") or [])
    return CompletedInstance(instance.id, args, end.exitcode, end.reason, **talk.heard())


class _Conversation:
    """Input and output of an Instance, all at the same time."""

    def __init__(self, instance: InstanceClient, max_bytes: int | None, patience: float | None) -> None:
        self._instance = instance
        self._max_bytes = max_bytes
        self._patience = patience
        self._heard = {"output": bytearray(), "stdout": bytearray(), "stderr": bytearray()}

    def heard(self) -> dict[str, bytes]:
        return {name: bytes(data) for name, data in self._heard.items()}

    async def whole(self, input: Sendable | None, content_type: str | None, stdin: Sendable | None) -> Any:
        """Send and collect until the Instance has ended; returns how it did."""
        instance = self._instance
        senders: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(self._feed(input, content_type)),
            asyncio.ensure_future(_sent_unless_ended(instance.send_stdin(b"" if stdin is None else stdin))),
        ]
        follow: dict[str, Any] = {"follow": True, "reconnect_timeout": self._patience, "idle_timeout": None}
        readers = {"output": instance.get_output, "stdout": instance.get_stdout, "stderr": instance.get_stderr}
        collector: asyncio.Future[Any] = asyncio.gather(
            *(self._collect(reader(**follow), name) for name, reader in readers.items())
        )
        try:
            await _first_failure([*senders, collector], until=collector)
            return await instance.wait(reconnect_timeout=self._patience)
        finally:
            for task in (*senders, collector):
                task.cancel()
            await asyncio.gather(*senders, collector, return_exceptions=True)

    async def _feed(self, input: Sendable | None, content_type: str | None) -> None:
        if input is not None:
            await _sent_unless_ended(self._instance.send_input(input, content_type=content_type))
            return
        with contextlib.suppress(InstanceEndedError, NotFoundError):
            await self._instance.wait_running()  # only then is it known whether it reads a topic
        with contextlib.suppress(MethodNotAllowedError):  # it does
            await _sent_unless_ended(self._instance.send_input(b""))

    async def _collect(self, reader: Follower, name: str) -> None:
        heard = self._heard[name]
        await reader
        if begin := reader._reader.position:  # noqa: SLF001 - of the first byte that the Hub still had
            raise StreamError(f"The first {begin} bytes that Instance {self._instance.id} wrote to {name} are missing")
        async for chunk in reader:
            if isinstance(chunk, Gap):
                message = f"A part of what Instance {self._instance.id} wrote to {name} is missing: {chunk}"
                raise StreamError(message) from chunk.cause
            if self._max_bytes is not None and len(heard) + len(chunk) > self._max_bytes:
                message = f"Instance {self._instance.id} wrote more than {self._max_bytes} bytes to {name}"
                raise OutputTooLargeError(f"{message} and was killed", id=self._instance.id, **self.heard())
            heard += chunk


async def _sent_unless_ended(step: Awaitable[None]) -> None:
    """Send something; an Instance may end without reading all of it."""
    with contextlib.suppress(InstanceEndedError, ConflictError, NotFoundError):
        await step


async def _first_failure(tasks: list[asyncio.Future[Any]], until: asyncio.Future[Any]) -> None:
    """Wait for the task ``until``; raise what another one raises before."""
    pending = set(tasks)
    while until in pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


@contextlib.asynccontextmanager
async def _sequence(host: HostClient, source: str | Sendable | SequenceClient) -> AsyncIterator[SequenceClient]:
    """A Sequence that is sent and deleted afterwards, or one of the Hub's, which is kept."""
    if isinstance(source, SequenceClient):
        yield source
        return
    sequence = await _sent(host, source)
    try:
        yield sequence
    finally:
        await _clean(sequence.delete(force=True), f"Sequence {sequence.id} could not be deleted")


async def _sent(host: HostClient, source: str | Sendable) -> SequenceClient:
    is_whole = False

    def progress(sent: int, total: int | None) -> None:
        nonlocal is_whole
        is_whole = sent == total

    sending = asyncio.ensure_future(host.send_sequence(source, progress=progress))
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        if is_whole:  # the Hub has the Sequence, and only its answer has the id
            await asyncio.wait({sending}, timeout=ANSWERING)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        if not sending.cancelled() and not sending.exception():
            await _clean(sending.result().delete(force=True), "A Sequence could not be deleted")
        raise


@contextlib.asynccontextmanager
async def _instance(sequence: SequenceClient, options: dict[str, Any]) -> AsyncIterator[InstanceClient]:
    """An Instance that is started, and killed if the block fails."""
    instance = sequence.host.instance(str(uuid.uuid4()))  # known even if the answer to the start is lost
    try:
        instance = await sequence.start(instance_id=instance.id, **options)  # STH before 1.0 ignores the id
        yield instance
    except BaseException:
        await _clean(instance.kill(remove_immediately=True), f"Instance {instance.id} could not be killed")
        raise


async def _clean(step: Awaitable[Any], failure: str) -> None:
    try:
        await asyncio.wait_for(step, CLEANING)
    except NotFoundError:
        pass
    except (HubError, asyncio.TimeoutError) as error:
        log.warning("%s: %s", failure, error or "the Hub does not answer")
