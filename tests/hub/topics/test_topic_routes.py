"""Topics over the API: made, listed, deleted, written and read."""

import asyncio
import io
import json

import psutil
import pytest

from sqlite_bus import SqliteTopics
from transform_hub.hub.server import serve
from until import steady, until

NDJSON = "application/x-ndjson"
UNSUPPORTED = (
    "Unsupported content-type: a topic carries application/x-ndjson, text/x-ndjson, text/plain, "
    "application/octet-stream or application/vnd.scramjet.messages"
)
OCTETS = "application/octet-stream"


@pytest.fixture(params=[None, SqliteTopics], ids=["local", "sqlite"])
async def hub(request, tmp_path):
    """A Hub with each of two buses that share no code."""
    topics = request.param() if request.param else None
    async with serve(data_dir=tmp_path, retention_ms=60_000, topics=topics) as running:
        yield running


async def is_held(hub):
    """Whether a writer waits for room in the topic ``t``."""
    topic = await hub.topics.find("t")
    return topic is not None and topic.figures().waiting > 0


async def test_create_list_delete(api):
    answer = await api.post("/topics", {"id": "news", "content-type": NDJSON})
    assert answer.status == 200
    assert (answer.json["id"], answer.json["contentType"]) == ("news", NDJSON)
    listed = (await api.get("/topics")).json
    figures = dict.fromkeys(("readers", "writers", "waiting", "held"), 0)
    assert listed == [{"contentType": NDJSON, "localProvider": "", "topic": "news", "topicName": "news", **figures}]
    assert (await api.call("DELETE", "/topics/news")).json == {"message": "Topic news removed"}
    assert (await api.call("DELETE", "/topics/news")).status == 404
    assert (await api.get("/topics")).json == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing body param: id"),
        ({"id": "x"}, "Missing body param: content-type"),
        ({"id": "x", "content-type": "text/html"}, UNSUPPORTED),
        ({"id": "a.b", "content-type": NDJSON}, "Topic id incorrect format"),
        ({"id": "there", "content-type": NDJSON}, "Topic with given id already exist"),
    ],
)
async def test_bad_topics_are_refused(api, body, message):
    await api.post("/topics", {"id": "there", "content-type": NDJSON})
    answer = await api.post("/topics", body)
    assert (answer.status, answer.json) == (400, {"error": message})
    assert len((await api.get("/topics")).json) == 1


async def test_what_is_written_before_the_first_reader_reaches_it(api):
    assert (await api.post("/topic/t", b'{"a":1}', content_type=NDJSON)).json == {}
    async with api.session.get(f"{api.url}/topic/t", headers={"content-type": NDJSON}) as reader:
        assert await reader.content.readline() == b'{"a":1}\n'
        await api.post("/topic/t", b'{"b":2}\n', content_type=NDJSON)
        assert await reader.content.readline() == b'{"b":2}\n'


async def test_the_type_of_a_topic_is_fixed(api):
    await api.post("/topic/t", b"x", content_type="text/plain")
    assert (await api.post("/topic/t", b"x", content_type=NDJSON)).status == 415
    assert (await api.get("/topic/t", content_type=NDJSON)).status == 415
    assert (await api.get("/topic/t", content_type="text/html")).status == 415
    assert (await api.post("/topic/t", b"x", content_type="text/html")).status == 400


async def test_deleting_a_topic_ends_its_readers(api):
    async with api.session.get(f"{api.url}/topic/t", headers={"content-type": NDJSON}) as reader:
        await api.call("DELETE", "/topics/t")
        assert await reader.read() == b""


async def test_lines_of_several_writers_never_mix(api):
    async def lines(name):
        for number in range(200):
            for piece in (name, str(number).encode(), b"\n"):
                yield piece
                await asyncio.sleep(0)

    async with api.session.get(f"{api.url}/topic/t", headers={"content-type": "text/plain"}) as reader:
        names = (b"a", b"b", b"c")
        writers = [
            asyncio.ensure_future(api.post("/topic/t", lines(name), content_type="text/plain")) for name in names
        ]
        got = [await reader.content.readline() for _ in range(600)]
        await asyncio.gather(*writers)
    for name in names:
        assert [line for line in got if line.startswith(name)] == [b"%s%d\n" % (name, n) for n in range(200)]


async def raw_writer(hub, content_type=NDJSON, **headers):
    """A POST to /topic/t whose body is still open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = [
        "POST /api/v1/topic/t HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {content_type}",
        "Transfer-Encoding: chunked",
    ]
    writer.write("\r\n".join([*head, *lines, "", ""]).encode())
    return reader, writer


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_a_writer_that_breaks_off_takes_its_unfinished_line_along(api, hub):
    async with api.session.get(f"{api.url}/topic/t") as reader:
        _, writer = await raw_writer(hub)
        writer.write(chunk(b'{"whole":1}\n{"ha'))
        assert await reader.content.readline() == b'{"whole":1}\n'
        writer.transport.abort()
        await api.post("/topic/t", b"2", content_type=NDJSON)
        assert await reader.content.readline() == b"2\n"


async def test_a_writer_that_waits_for_100_is_asked_at_once(api, hub):
    _, idle = await raw_writer(hub)  # STH would let the second wait for the end of the first
    reader, writer = await raw_writer(hub, Expect="100-continue")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(chunk(b"1\n") + b"0\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    for end in (idle, writer):
        end.close()


async def test_a_refused_writer_is_not_asked_for_its_body(api, hub):
    reader, writer = await raw_writer(hub, "text/html", Expect="100-continue")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_writers_of_a_deleted_topic_are_told(api, hub):
    reader, writer = await raw_writer(hub)
    writer.write(chunk(b"1\n"))
    async with api.session.get(f"{api.url}/topic/t") as stream:
        assert await stream.content.readline() == b"1\n"
        await api.call("DELETE", "/topics/t")
        writer.write(chunk(b"2\n"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404")
        assert b"deleted" in await reader.readuntil(b"}")
        assert await stream.content.read() == b""
    writer.close()
    async with api.session.get(f"{api.url}/topic/t", headers={"content-type": "text/plain"}) as again:
        await api.post("/topic/t", b"new\n", content_type="text/plain")  # another topic, another type
        assert await again.content.readline() == b"new\n"


async def test_a_reader_that_leaves_lets_the_others_go_on(api, hub):
    stuck = await api.session.get(f"{api.url}/topic/t", headers={"content-type": OCTETS})
    sending = asyncio.ensure_future(api.post("/topic/t", io.BytesIO(bytes(30_000_000)), content_type=OCTETS))
    async with api.session.get(f"{api.url}/topic/t", headers={"content-type": OCTETS}) as reader:
        await reader.content.readexactly(100_000)
        await until(lambda: is_held(hub))  # the first takes nothing and holds up the second
        assert not sending.done()
        stuck.close()
        while not sending.done():
            await reader.content.readany()
    assert (await sending).status == 200


@pytest.mark.slow
async def test_many_writers_and_readers(api):
    async def lines(writer):
        for number in range(300):
            yield b'{"writer":%d,"number":%d,"text":"%s"}\n' % (writer, number, b"x" * (number * 7 % 5000))

    async def read(stream):
        got = {writer: [] for writer in range(5)}
        while sum(map(len, got.values())) < 1500:
            item = json.loads(await stream.content.readline())
            got[item["writer"]].append(item["number"])
        stream.close()
        return got

    readers = [await api.session.get(f"{api.url}/topic/t") for _ in range(3)]
    reading = [asyncio.ensure_future(read(stream)) for stream in readers]
    writing = [api.post("/topic/t", lines(writer), content_type=NDJSON) for writer in range(5)]
    assert {answer.status for answer in await asyncio.gather(*writing)} == {200}
    for got in await asyncio.gather(*reading):
        assert got == {writer: list(range(300)) for writer in range(5)}


@pytest.mark.slow
async def test_a_topic_that_nobody_reads_holds_its_writers_and_memory_stays_flat(api, hub):
    me = psutil.Process()
    _, writer = await raw_writer(hub, OCTETS)

    async def flood():
        while True:
            writer.write(chunk(bytes(65536)))
            await writer.drain()

    before = me.memory_info().rss
    flooding = asyncio.ensure_future(flood())
    await until(lambda: is_held(hub))
    await until(steady(writer.transport.get_write_buffer_size))  # and the kernel takes no more either
    assert me.memory_info().rss - before < 30 << 20
    flooding.cancel()
    writer.transport.abort()


async def test_the_list_shows_that_a_topic_stands_still(api):
    sending = asyncio.create_task(api.post("/topic/full", io.BytesIO(bytes(4 << 20)), content_type=OCTETS))

    [topic] = await api.until("/topics", lambda topics: topics and topics[0]["waiting"])
    assert (topic["readers"], topic["writers"], topic["waiting"]) == (0, 1, 1)
    assert topic["held"] >= 1 << 20
    await api.call("DELETE", "/topics/full")
    assert (await sending).status == 404
