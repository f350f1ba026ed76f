"""What any bus does with topics: what is an item, who gets what, what a tap is, what deleting means."""

import asyncio
import logging

import pytest

from sqlite_bus import SqliteTopics
from transform_hub.hub.channels.channel import ChannelClosedError
from transform_hub.hub.channels.memory import LIMIT
from transform_hub.hub.errors import ApiError
from transform_hub.hub.topics import local
from transform_hub.hub.topics.local import LocalTopic, LocalTopics
from transform_hub.hub.topics.progress import Provided
from transform_hub.models.rules import BINARY, NDJSON
from until import until


@pytest.fixture(params=[LocalTopics, SqliteTopics])
def bus(request):
    return request.param()


async def written(bus, content_type, *pieces, end=True):
    """What a topic hands on of pieces written one after the other."""
    topic = await bus.topic("t", content_type)
    async with topic.writer() as writer:
        for piece in pieces:
            await writer.write(piece)
        if end:
            await writer.end()
    await bus.remove("t")
    async with topic.reader() as reader:
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
async def test_lines_are_handed_on_whole(bus, pieces, whole, broken_off):
    assert await written(bus, NDJSON, *pieces) == whole
    assert await written(bus, "text/plain", *pieces, end=False) == broken_off
    assert await written(bus, BINARY, *pieces, end=False) == b"".join(pieces)


@pytest.mark.parametrize(
    ("content_type", "whole"),
    [(NDJSON, b"1\n2\n"), ("text/x-ndjson", b"1\n2\n"), ("text/plain", b"1\n2"), (BINARY, b"1\n2")],
)
async def test_only_ndjson_gets_a_newline_at_the_end(bus, content_type, whole):
    assert await written(bus, content_type, b"1\n", b"2") == whole


async def test_a_line_of_10_mb_in_small_pieces_stays_whole():
    topic = LocalTopic("t", NDJSON)
    long, short = topic.writer(), topic.writer()
    with topic.reader() as reader:
        for _ in range(10_000):
            await long.write(b"x" * 1000)
        await short.write(b"short\n")
        assert await reader.read() == b"short\n"
        await long.end()
        assert await reader.read() == b"x" * 10_000_000 + b"\n"


async def test_a_line_without_end_is_handed_on_in_pieces(monkeypatch):
    monkeypatch.setattr(local, "LINE_LIMIT", 10)
    topic = LocalTopic("t", NDJSON)
    writer = topic.writer()
    with topic.reader() as reader:
        await writer.write(b"123456")
        await writer.write(b"7890")
        assert writer.incomplete == 0
        assert await reader.read() == b"1234567890"


async def test_writers_take_turns_and_none_is_passed_over(bus):
    topic = await bus.topic("t", BINARY)
    async with topic.writer() as first:
        await first.write(bytes(LIMIT))
    waiting = [asyncio.ensure_future(topic.writer().write(bytes([number]))) for number in range(5)]
    await until(lambda: topic.figures().waiting == 5, pause=0)
    async with topic.reader() as reader:
        data = b""
        while len(data) < LIMIT + 5:
            data += await reader.read()
    await asyncio.gather(*waiting)
    assert data == bytes(LIMIT) + bytes(range(5))


async def test_deleting_ends_readers_after_what_is_left_and_writers_at_once(bus):
    topic = await bus.topic("t", BINARY)
    writer, waiting = topic.writer(), topic.writer()
    await writer.write(bytes(LIMIT))
    writing = asyncio.ensure_future(waiting.write(b"waits"))
    async with topic.reader() as reader:
        await asyncio.sleep(0)
        await bus.remove("t")
        with pytest.raises(ChannelClosedError):
            await writing
        with pytest.raises(ChannelClosedError):
            await writer.write(b"more")
        assert b"".join([data async for data in reader]) == bytes(LIMIT)
    again = await bus.topic("t", NDJSON)
    assert again.number != topic.number
    assert again.content_type == NDJSON


async def test_names_and_types_that_no_topic_may_have(bus):
    for name, content_type, status in [("a.b", NDJSON, 400), ("a", "text/html", 400), ("t", BINARY, 415)]:
        await bus.topic("t", NDJSON)
        with pytest.raises(ApiError) as refused:
            await bus.topic(name, content_type)
        assert refused.value.status == status
    assert [topic.name for topic in await bus.topics()] == ["t"]
    with pytest.raises(ApiError, match="Topic x not found"):
        await bus.remove("x")
    assert await bus.find("x") is None


async def test_a_tap_is_a_copy_that_takes_nothing_and_counts_for_nobody(bus):
    topic = await bus.topic("t", NDJSON)
    async with topic.writer() as writer:
        await writer.write(b"before\n")
        async with topic.reader(tap=True) as tap:
            await writer.write(b"after\n")
            assert (tap.position, await tap.read()) == (7, b"after\n")
            assert topic.figures()._replace(held=0) == (0, 0, 1, 0, 13, {})
            assert topic.figures().held == 13
    async with topic.reader() as reader:
        data = b""
        while len(data) < 13:
            data += await reader.read()
    assert data == b"before\nafter\n"


async def test_a_reader_goes_on_at_a_position(bus):
    topic = await bus.topic("t", NDJSON)
    async with topic.writer() as writer:
        for number in range(10):
            await writer.write(b"%d\n" % number)
    async with topic.reader() as reader:
        while reader.position < 20:
            await reader.read()
    async with topic.reader(at=10) as again:
        data = b""
        while len(data) < 10:
            data += await again.read()
    assert data == b"5\n6\n7\n8\n9\n"


async def test_a_writer_writes_down_how_far_it_is_before_each_item_is_added(bus):
    topic = await bus.topic("t", NDJSON)
    async with topic.writer() as other:
        await other.write(b"other\n")
    provided = Provided([0] * 4)
    provided.begin(topic.number, 100)
    async with topic.writer(provided) as writer:
        await writer.write(b"12\n3")
        assert provided.position(topic.written) == 103
        assert provided.position(topic.written - 1) == 100  # had the line not come
        writer.skip(10)
        await writer.write(b"4\n")
        assert provided.position(topic.written) == 116


@pytest.mark.parametrize("readers", [0, 1])
async def test_the_log_tells_of_a_topic_that_is_held_up(readers, monkeypatch, caplog):
    monkeypatch.setattr(local, "STALL", 0)
    topic = LocalTopic("news", BINARY)
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
