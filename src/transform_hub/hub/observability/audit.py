"""The audit: who asked what of the Hub, and with what result, as lines of JSON.

    opState              written when
    START                a request for a Sequence, Instance or topic has come
    ACTIVE               its bytes have moved, at most once a second; or as a heartbeat
    END, ERROR           it was answered to the end; it broke off
    ""                   something happened to a Sequence or an Instance

Codes of requests are ``10000 + 1000 * kind + 100 * verb + operation`` (see :mod:`transform_hub.hub.http.app`). Those of
events are small numbers that mean one thing for Sequences and another for Instances, as clients of STH know them:

    Sequence    0 created, 1 deleted
    Instance    4 connected, 0 started, 1 stopped, 2 ended by itself, 3 killed or failed

``rx`` and ``tx`` are the bytes of the request's body and of its answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.instances.instance import Instance
from transform_hub.hub.instances.observers import InstanceObserver
from transform_hub.models import AuditRecord, OpState
from transform_hub.protocol import EXIT_OK, EXIT_STOPPED

SEQUENCE_CREATED, SEQUENCE_DELETED = 0, 1
INSTANCE_STARTED, INSTANCE_STOPPED, INSTANCE_ENDED, INSTANCE_TERMINATED, INSTANCE_CONNECTED = range(5)
HUB_HEARTBEAT, INSTANCE_HEARTBEAT = 13010, 13012

ACTIVE_INTERVAL = 1.0
"""Seconds between two checks of the bytes of open requests."""


class OpenRequest:
    """A request that has not been answered to the end.

    Args:
        record: its START.
        traffic: gives the bytes received and sent so far.
    """

    def __init__(self, record: AuditRecord, traffic: Callable[[], tuple[int, int]]) -> None:
        self.record = record
        self._traffic = traffic

    def update(self, state: OpState) -> bool:
        """Update the record; True if bytes have moved."""
        before = (self.record.rx, self.record.tx)
        self.record.op_state = state
        self.record.rx, self.record.tx = self._traffic()
        self.record.received_at = _now()
        return before != (self.record.rx, self.record.tx)


class Audit(InstanceObserver):
    """Keeps the latest records in a Channel; as an observer of Instances it records their life.

    Args:
        hub_id: the object of the Hub's heartbeats.
        instances: gives the Instances, for their heartbeats.
        interval: seconds between heartbeats, which are written only while somebody reads.
    """

    def __init__(self, hub_id: str, instances: Callable[[], Iterable[Instance]], *, interval: float) -> None:
        self.channel = Channel(history=True)
        self._hub_id = hub_id
        self._instances = instances
        self._interval = interval
        self._open: set[OpenRequest] = set()
        self._check: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None

    def begin(
        self,
        code: int,
        *,
        object_id: str | None,
        requestor: str | None,
        request_id: str,
        traffic: Callable[[], tuple[int, int]],
    ) -> OpenRequest:
        """Record that a request has come.

        Args:
            code: of its operation.
            object_id: of the Sequence, Instance or topic.
            requestor: who has sent it; None is the system.
            request_id: its id.
            traffic: gives the bytes received and sent so far.
        """
        rx, tx = traffic()
        record = AuditRecord(
            op_state="START",
            op_code=code,
            request_id=request_id,
            object_id=object_id or msgspec.UNSET,
            requestor_id=requestor or "system",
            rx=rx,
            tx=tx,
            received_at=_now(),
        )
        self._write(record)
        request = OpenRequest(record, traffic)
        self._open.add(request)
        if self._check is None:
            self._check = asyncio.get_running_loop().call_later(ACTIVE_INTERVAL, self._check_open)
        return request

    def end(self, request: OpenRequest, *, complete: bool) -> None:
        """Record that a request was answered (``complete``) or broke off."""
        self._open.discard(request)
        request.update("END" if complete else "ERROR")
        self._write(request.record)

    def note(self, code: int, object_id: str, limits: dict[str, object] | None = None) -> None:
        """Record that something happened to a Sequence, an Instance or the Hub."""
        self._write(_event("", code, object_id, limits))

    def started(self, instance: Instance, seconds: float | None) -> None:
        """Record that an Instance has started."""
        self.note(INSTANCE_CONNECTED, instance.id)
        self.note(INSTANCE_STARTED, instance.id, instance.order.request.limits)

    def ended(self, instance: Instance) -> None:
        """Record how an Instance has ended."""
        ends = {EXIT_OK: INSTANCE_ENDED, EXIT_STOPPED: INSTANCE_STOPPED}
        code = INSTANCE_TERMINATED
        if instance.status == "completed" and instance.terminated is not None:
            code = ends.get(instance.terminated.exitcode, code)
        self.note(code, instance.id)

    def listen(self) -> Channel:
        """The channel to read; heartbeats begin."""
        if self._beat is None:
            self._beat = asyncio.get_running_loop().call_later(self._interval, self._heartbeat)
        return self.channel

    def close(self) -> None:
        """End the stream for its readers."""
        for timer in (self._check, self._beat):
            if timer is not None:
                timer.cancel()
        self.channel.close()

    def _check_open(self) -> None:
        for request in self._open:
            if request.update("ACTIVE"):
                self._write(request.record)
        self._check = None
        if self._open:
            self._check = asyncio.get_running_loop().call_later(ACTIVE_INTERVAL, self._check_open)

    def _heartbeat(self) -> None:
        self._beat = None
        if self.channel.readers == 0:
            return
        self._write(_event("ACTIVE", HUB_HEARTBEAT, self._hub_id))
        for instance in self._instances():
            if not instance.ended.is_set():
                self._write(_event("ACTIVE", INSTANCE_HEARTBEAT, instance.id, instance.order.request.limits))
        self.listen()

    def _write(self, record: AuditRecord) -> None:
        if not self.channel.closed:
            self.channel.feed(msgspec.json.encode(record) + b"\n")


def _event(state: OpState, code: int, object_id: str, limits: dict[str, object] | None = None) -> AuditRecord:
    return AuditRecord(
        op_state=state,
        op_code=code,
        object_id=object_id,
        requestor_id="system",
        received_at=_now(),
        limits=msgspec.UNSET if limits is None else limits,
    )


def _now() -> int:
    return int(time.time() * 1000)
