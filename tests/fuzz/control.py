"""What a runner says on its control channel, and what stands before it: a message, or a ValueError."""

import contextlib
import json
from collections.abc import Iterator

from transform_hub.hub.instances.messages import parse_message
from transform_hub.hub.link.control import WIRE_LIMIT
from transform_hub.protocol import LineBuffer, MessageBuffer, require_bounded


def fuzz(data: bytes) -> None:
    split = data[0] % len(data) if data else 0
    buffer = LineBuffer()
    lines = buffer.lines(data[:split]) + buffer.lines(data[split:])
    assert b"".join(lines) + buffer.flush() == data
    for line in lines:
        try:
            require_bounded(line, WIRE_LIMIT)
            parse_message(json.loads(line))
        except (ValueError, RecursionError):  # these end the connection of that one runner
            continue
    with contextlib.suppress(ValueError, RecursionError):
        MessageBuffer(4096).feed(data)


def seeds() -> Iterator[bytes]:
    for message in (
        {"type": "running", "provides": {"topic": "t", "contentType": "text/plain", "group": "g"}},
        {"type": "topic", "requires": {"topic": "t", "contentType": "text/plain"}},
        {"type": "health", "health": {"healthy": True}, "age": 1, "checks": 2},
        {"type": "event", "eventName": "e", "message": [1, {"a": None}]},
        {"type": "listens", "eventNames": ["a"]},
        {"type": "wants", "position": 10},
        {"type": "output", "contentType": "text/plain"},
        {"type": "exit", "code": 1, "error": "e", "left": True},
        {"instance": "i", "channel": "control", "secret": "s", "pid": 1},
    ):
        yield json.dumps(message).encode() + b"\n"
    yield b'{"type":"event","eventName":"e","message":' + b"[" * 5000 + b"\n"
