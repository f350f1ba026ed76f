"""Items of topics: what comes out is what went in, cut at the ends of items, however it is split."""

from collections.abc import Iterator

from transform_hub.hub.errors import ApiError
from transform_hub.hub.topics.items import Cutter, buffer_for
from transform_hub.messages import MESSAGES, head


def fuzz(data: bytes) -> None:
    content_type = (MESSAGES, "text/plain", "application/x-ndjson")[data[0] % 3] if data else "text/plain"
    split = data[1] % len(data) if len(data) > 1 else 0
    buffer = buffer_for(content_type)
    try:
        blocks = buffer.block(data[:split]) + buffer.block(data[split:])
    except ApiError:  # a message of more than 64 MiB
        return
    kept = data[len(blocks) :]
    assert blocks + kept == data
    assert buffer.size == len(kept)
    cutter, position = Cutter(content_type, lambda at: blocks[at : at + 7], 1 << 20), 0
    while position < len(blocks):
        item = cutter.cut(position, is_last=True)
        assert item
        assert item == blocks[position : position + len(item)]
        position += len(item)


def seeds() -> Iterator[bytes]:
    yield b"\x00\x00" + head(3) + b"abc" + head(0) + head(1) + b"x"
    yield head(258) + b"m" * 258
    yield b"a line\nanother\nhalf"
