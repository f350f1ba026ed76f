"""Topics: from clients, from and to Instances."""

import asyncio
import contextlib
import uuid

import pytest

from transform_hub.errors import BadRequestError, NotFoundError


@pytest.fixture
def topic(host):
    """A topic of this test alone."""
    return host.topic(f"topic-{uuid.uuid4()}")


async def first(items, count):
    async with contextlib.aclosing(items):
        return [await asyncio.wait_for(anext(items), 5) for _ in range(count)]


async def test_what_is_sent_before_the_first_reader_is_kept_for_it(topic):
    await topic.send('{"n": 1}\n{"n": 2}\n')
    assert await first(topic.get().json(), 2) == [{"n": 1}, {"n": 2}]


async def test_a_writer_and_two_readers(topic):
    async with topic.get() as one, topic.get() as other, topic.open() as writer:
        readers = one.json(), other.json()
        for number in range(10):
            await writer.write(b"%d\n" % number)
            assert [await anext(reader) for reader in readers] == [number, number]


async def test_writers_one_after_the_other(topic):
    for number in range(3):
        await topic.send(f"{number}\n")
    assert await first(topic.get().json(), 3) == [0, 1, 2]


@pytest.mark.beyond("topic list")
async def test_listing(host, topic):
    await topic.send("1\n")
    found = next(found for found in await host.list_topics() if topic.name in (found.topic, found.topic_name))
    assert found.content_type == "application/x-ndjson"


async def test_text(host):
    topic = host.topic(f"topic-{uuid.uuid4()}", "text/plain")
    await topic.send("zażółć\n")
    assert await first(topic.get().lines(), 1) == ["zażółć"]


@pytest.mark.beyond("binary topics")
async def test_bytes(host):
    topic = host.topic(f"topic-{uuid.uuid4()}", "application/octet-stream")
    await topic.send(b"\x00 anything \xff\n")
    assert await first(topic.get().lines(errors="surrogateescape"), 1) == ["\x00 anything \udcff"]


@pytest.mark.beyond("topic types")
async def test_a_content_type_that_is_none(host, topic):
    with pytest.raises(BadRequestError):
        await host.topic(topic.name, "image/png").send(b"x")


@pytest.mark.beyond("topic orders")
async def test_creating_and_deleting(host, topic):
    created = await host.create_topic(topic.name, "text/plain")
    assert topic.name in [found.topic_name for found in await host.list_topics()]
    with pytest.raises(BadRequestError, match="already"):
        await host.create_topic(topic.name, "text/plain")
    await created.delete()
    assert topic.name not in [found.topic_name for found in await host.list_topics()]
    with pytest.raises(NotFoundError):
        await created.delete()


async def test_from_instance_to_instance(start):
    consumer = await start("topic-consumer")
    await start("topic-producer", args=[3])
    means = await first(consumer.get_output().json(), 3)
    assert means == [{"count": 1, "mean": 10}, {"count": 2, "mean": 15}, {"count": 3, "mean": 20}]


@pytest.mark.beyond("topic names")
async def test_from_an_instance_to_a_client(start, topic):
    await start("topic-producer", args=[2], output_topic=topic.name)
    assert [value["reading"] for value in await first(topic.get().json(), 2)] == [10, 20]


@pytest.mark.beyond("topic names")
async def test_from_a_client_to_an_instance(start, topic):
    consumer = await start("topic-consumer", input_topic=topic.name)
    await topic.send('{"reading": 4}\n{"reading": 8}\n')
    assert [value["mean"] for value in await first(consumer.get_output().json(), 2)] == [4, 6]
