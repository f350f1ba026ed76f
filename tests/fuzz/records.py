"""Files that a Hub finds when it starts, of an earlier one: damaged in any way they are left out, and told."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from transform_hub.hub.reattach.fdstore import FdStoreFiles
from transform_hub.hub.reattach.records import Record, Records
from transform_hub.models import StartRequest

logging.disable()


def fuzz(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "a.json").write_bytes(data)
        assert list(Records(path).ids()) == ["a"]
        record = Records(path).find("a")
        assert record is None or (isinstance(record, Record) and record.topics is not None)
        assert list(FdStoreFiles(path, 1).find()) == []


def seeds() -> Iterator[bytes]:
    request = StartRequest(args=[1, {"a": [None]}], app_config={"b": 2})
    time = "2026-01-02T03:04:05.678Z"
    yield msgspec.json.encode(
        Record(id="a", secret="b", sequence_id="c", request=request, status="running", created=time, started=time)
    )
    yield b'{"id":"a","secret":"b","sequenceId":"c","request":{"args":[' + b"[" * 5000
