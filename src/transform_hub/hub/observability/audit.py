"""The audit: who asked what of the Hub, and what came of it, as lines of JSON that are replayed and go on.

    opState              written
    START                a request for a Sequence, Instance or topic has come
    ACTIVE               its bytes have moved, at most once a second; or a heartbeat
    END, ERROR           it was answered to the end; it broke off before that
    ""                   something happened to a Sequence or an Instance

Codes of requests are ``10000 + 1000 * type + 100 * verb + operation``. Those of events are small numbers that mean
one thing for Sequences and another for Instances, as clients of STH know them:

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

TYPES = {"sequence": 0, "instance": 1, "topic": 2}
VERBS = {"POST": 1, "GET": 2, "PUT": 3, "DELETE": 4}
OPERATIONS = {
    "stdout": 1,
    "stderr": 2,
    "stdin": 3,
    "log": 4,
    "monitoring": 5,
    "output": 6,
    "input": 7,
    "health": 8,
    "events": 9,
    "event": 10,
    "once": 11,
    "_monitoring_rate": 12,
    "_event": 13,
    "_stop": 14,
    "_kill": 15,
    "instances": 16,
    "start": 17,
}

SEQUENCE_CREATED, SEQUENCE_DELETED = 0, 1
INSTANCE_STARTED, INSTANCE_STOPPED, INSTANCE_ENDED, INSTANCE_TERMINATED, INSTANCE_CONNECTED = range(5)
HUB_HEARTBEAT, INSTANCE_HEARTBEAT = 13010, 13012

ACTIVE_INTERVAL = 1.0
"""Seconds between two looks at the bytes of open requests."""


def op_code(method: str, path: str) -> int | None:
    """The code of a request by its path below the API's base; None for what is not audited."""
    kind, *rest = path.lstrip("/").split("/")
    if kind not in TYPES or method not in VERBS:
        return None
    operation = next((OPERATIONS[part] for part in rest[1:] if part in OPERATIONS), 0)
    return 10000 + 1000 * TYPES[kind] + 100 * VERBS[method] + operation


class OpenRequest:
    """A request that has not been answered to the end.

    Args:
        record: what is written of it, its START.
        traffic: gives the bytes received and sent so far.
    """

    def __init__(self, record: AuditRecord, traffic: Callable[[], tuple[int, int]]) -> None:
        self.record = record
        self._traffic = traffic

    def update(self, state: OpState) -> bool:
        """Bring the record up to date; whether its bytes have moved."""
        before = (self.record.rx, self.record.tx)
        self.record.op_state = state
        self.record.rx, self.record.tx = self._traffic()
        self.record.received_at = _now()
        return before != (self.record.rx, self.record.tx)


class Audit(InstanceObserver):
    """Keeps the latest records in a Channel.

    Args:
        hub_id: the object of the Hub's heartbeats.
        instances: gives the Instances, for theirs.
        interval: seconds between heartbeats; there are some only while somebody reads.
    """

    def __init__(self, hub_id: str, instances: Callable[[], Iterable[Instance]], *, interval: float) -> None:
        self.channel = Channel(history=True)
        self._hub_id = hub_id
        self._instances = instances
        self._interval = interval
        self._open: set[OpenRequest] = set()
        self._look: asyncio.TimerHandle | None = None
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
        """A request has come."""
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
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(ACTIVE_INTERVAL, self._look_at_open)
        return request

    def end(self, request: OpenRequest, *, complete: bool) -> None:
        """It was answered, or broke off."""
        self._open.discard(request)
        request.update("END" if complete else "ERROR")
        self._write(request.record)

    def note(self, code: int, object_id: str, limits: dict[str, object] | None = None) -> None:
        """Something happened to a Sequence, an Instance or the Hub."""
        self._write(_event("", code, object_id, limits))

    def started(self, instance: Instance, seconds: float | None) -> None:
        self.note(INSTANCE_CONNECTED, instance.id)
        self.note(INSTANCE_STARTED, instance.id, instance.order.request.limits)

    def ended(self, instance: Instance) -> None:
        ends = {EXIT_OK: INSTANCE_ENDED, EXIT_STOPPED: INSTANCE_STOPPED}
        code = INSTANCE_TERMINATED
        if instance.status == "completed" and instance.terminated is not None:
            code = ends.get(instance.terminated.exitcode, code)
        self.note(code, instance.id)

    def listen(self) -> Channel:
        """What is to be read; heartbeats begin."""
        if self._beat is None:
            self._beat = asyncio.get_running_loop().call_later(self._interval, self._heartbeat)
        return self.channel

    def close(self) -> None:
        """End the stream for its readers."""
        for timer in (self._look, self._beat):
            if timer is not None:
                timer.cancel()
        self.channel.close()

    def _look_at_open(self) -> None:
        for request in self._open:
            if request.update("ACTIVE"):
                self._write(request.record)
        self._look = None
        if self._open:
            self._look = asyncio.get_running_loop().call_later(ACTIVE_INTERVAL, self._look_at_open)

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
