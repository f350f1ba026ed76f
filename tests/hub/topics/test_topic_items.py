"""Topics by themselves: what is an item, who gets what, and that the Hub uses them through its bus alone."""

import asyncio
import logging

import pytest

from transform_hub.hub.channels.channel import LIMIT, ChannelClosedError
from transform_hub.hub.config import HubConfig
from transform_hub.hub.server import Hub
from transform_hub.hub.topics import bus
from transform_hub.hub.topics.bus import BINARY, Topic, Topics
from until import until

NDJSON = "application/x-ndjson"


async def written(content_type, *pieces, end=True):
    """What a topic hands on of pieces written one after the other."""
    topic = Topic("t", content_type)
    writer = topic.writer()
    for piece in pieces:
        await writer.write(piece)
    if end:
        await writer.close()
    topic.close()
    with topic.reader() as reader:
        return b"".join([data async for data in reader])


@pytest.mark.parametrize(
    ("pieces", "whole", "broken_off"),
    [
        ([b"a\nb\n"], b"a\nb\n", b"a\nb\n"),
        ([b"a\n", b"b"], b"a\nb\n", b"a\n"),
        ([b"a", b"b", b"\n"], b"ab\n", b"ab\n"),
        ([b"a\nb", b"c\nd\ne"], b"a\nbc\nd\ne\n", b"a\nbc\nd\n"),
        ([b"a\nb", b"\nc\n"], b"a\nb\nc\n", b"a\nb\nc\n"),
        ([b"\n", b"\n\n"], b"\n\n\n", b"\n\n\n"),
        ([b"\xff\xfe", b"\x00\n"], b"\xff\xfe\x00\n", b"\xff\xfe\x00\n"),
        ([], b"", b""),
    ],
)
async def test_lines_are_handed_on_whole(pieces, whole, broken_off):
    assert await written(NDJSON, *pieces) == whole
    assert await written("text/plain", *pieces, end=False) == broken_off
    assert await written(BINARY, *pieces, end=False) == b"".join(pieces)


async def test_a_line_of_10_mb_in_small_pieces_stays_whole():
    topic = Topic("t", NDJSON)
    long, short = topic.writer(), topic.writer()
    with topic.reader() as reader:
        for _ in range(10_000):
            await long.write(b"x" * 1000)
        await short.write(b"short\n")
        assert await reader.read() == b"short\n"
        await long.close()
        assert await reader.read() == b"x" * 10_000_000 + b"\n"


async def test_a_line_without_end_is_handed_on_in_pieces(monkeypatch):
    monkeypatch.setattr(bus, "LINE_LIMIT", 10)
    topic = Topic("t", NDJSON)
    writer = topic.writer()
    with topic.reader() as reader:
        await writer.write(b"123456")
        await writer.write(b"7890")
        assert writer.incomplete == 0
        assert await reader.read() == b"1234567890"


async def test_writers_take_turns_and_none_is_passed_over():
    topic = Topic("t", BINARY)
    block = bytes(LIMIT)
    await topic.add(block)
    waiting = [asyncio.ensure_future(topic.writer().write(bytes([number]))) for number in range(5)]
    await asyncio.sleep(0)
    assert not any(writing.done() for writing in waiting)
    with topic.reader() as reader:
        assert await reader.read() == block
        await asyncio.gather(*waiting)
        assert await reader.read() == bytes(range(5))


async def test_deleting_ends_readers_after_what_is_left_and_writers_at_once():
    bus = Topics()
    topic = bus.get("t", BINARY)
    writer, waiting = topic.writer(), topic.writer()
    await writer.write(bytes(LIMIT))
    writing = asyncio.ensure_future(waiting.write(b"waits"))
    with topic.reader() as reader:
        await asyncio.sleep(0)
        bus.remove("t")
        with pytest.raises(ChannelClosedError):
            await writing
        with pytest.raises(ChannelClosedError):
            await writer.write(b"more")
        assert [len(await reader.read()), await reader.read()] == [LIMIT, b""]
    again = bus.get("t", NDJSON)
    assert again is not topic
    assert again.content_type == NDJSON


@pytest.mark.parametrize("readers", [0, 1])
async def test_the_log_tells_of_a_topic_that_is_held_up(readers, monkeypatch, caplog):
    monkeypatch.setattr(bus, "STALL", 0)
    topic = Topic("news", BINARY)
    stuck = [topic.reader() for _ in range(readers)]
    await topic.add(bytes(LIMIT))
    with caplog.at_level(logging.WARNING):
        writing = asyncio.ensure_future(topic.add(b"x"))
        await until(lambda: caplog.messages)
    (message,) = caplog.messages
    assert "Topic news has been full" in message
    assert ("takes nothing" in message) == bool(readers)
    for reader in stuck or [topic.reader()]:
        assert len(await reader.read()) == LIMIT
    await writing


class RecordingBus:
    """A bus with the methods of TopicBus and nothing else."""

    def __init__(self):
        self.calls = []
        self._topics = Topics()

    def __iter__(self):
        self.calls.append("iter")
        return iter(self._topics)

    def find(self, name):
        self.calls.append("find")
        return self._topics.find(name)

    def get(self, name, content_type):
        self.calls.append("get")
        return self._topics.get(name, content_type)

    def remove(self, name):
        self.calls.append("remove")
        self._topics.remove(name)

    def close(self):
        self.calls.append("close")
        self._topics.close()


async def test_another_bus_can_stand_behind_a_hub(tmp_path, package, api_of):
    import aiohttp

    bus = RecordingBus()
    hub = Hub(HubConfig(port=0, data_dir=tmp_path), topics=bus)
    try:
        await hub.start()
        async with aiohttp.ClientSession() as session:
            api = api_of(hub, session)
            await api.post("/topics", {"id": "t", "content-type": NDJSON})
            await api.post("/topic/t", b"1\n", content_type=NDJSON)
            await api.get("/topics")
            source = f"requires = {{'requires': 't', 'contentType': {NDJSON!r}}}\n"
            instance = await api.start(await api.send(package(source + "def run(context, input): return input")))
            async with api.session.get(f"{api.url}{instance}/output") as output:
                assert await output.content.readexactly(1) == b"1"
            await api.call("DELETE", "/topics/t")
    finally:
        await hub.close()
    assert bus.calls == ["find", "get", "get", "iter", "get", "remove", "close"]
