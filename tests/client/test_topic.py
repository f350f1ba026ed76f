"""Topics of a real Hub, through their client."""

import asyncio

import pytest
from aiohttp import web
from faulty import serving

from transform_hub import errors
from transform_hub.client import HostClient, TopicClient


async def test_create_list_delete(client):
    topic = await client.create_topic("news", "text/plain")
    assert (topic.name, topic.content_type, topic) == ("news", "text/plain", client.topic("news"))
    assert [(found.topic_name, found.content_type) for found in await client.list_topics()] == [("news", "text/plain")]
    with pytest.raises(errors.BadRequestError, match="already exist"):
        await client.create_topic("news")
    await topic.delete()
    assert await client.list_topics() == []
    with pytest.raises(errors.NotFoundError, match="news not found"):
        await client.delete_topic("news")


async def test_the_type_is_ndjson_if_nothing_else_is_said(client):
    await client.create_topic("one")
    await client.topic("two").send("1\n")
    assert {topic.content_type for topic in await client.list_topics()} == {"application/x-ndjson"}


@pytest.mark.parametrize("name", ["a", "A_-9", "a+b", "a\\b"])
async def test_names_that_can_be(client, name):
    topic = client.topic(name, "text/plain")
    await topic.send("one\n")
    assert await anext(topic.get().lines()) == "one"
    await topic.delete()


async def test_what_can_not_be(client):
    for name in ("a.b", "a b", "ü", "a/b"):
        with pytest.raises(errors.BadRequestError, match="Topic id incorrect format"):
            await client.create_topic(name)
        with pytest.raises(errors.BadRequestError, match="Topic id incorrect format"):
            await client.topic(name).send("x\n")
        with pytest.raises(errors.BadRequestError, match="Topic id incorrect format"):
            await client.topic(name).get()
    with pytest.raises(ValueError, match="can't be a topic name"):
        client.topic("")
    with pytest.raises(errors.BadRequestError, match="Unsupported content-type"):
        await client.create_topic("a", "image/png")
    await client.create_topic("a", "text/plain")
    with pytest.raises(errors.HubResponseError, match="text/plain"):
        await client.topic("a").send("{}\n")
    with pytest.raises(errors.UnsupportedMediaTypeError):
        await client.topic("a").get()


async def test_all_readers_get_all_and_a_topic_goes_on_after_each_writer(client):
    topic = client.topic("news")
    readers = [(await topic.get()).json() for _ in range(3)]
    await topic.send('{"n": 1}\n')
    async with topic.open() as writer:
        await writer.write('{"n": 2}\n')
        assert [await anext(reader) for reader in readers] == [{"n": 1}] * 3
        assert [await anext(reader) for reader in readers] == [{"n": 2}] * 3
        await writer.write('{"n": 3}')
    assert [await anext(reader) for reader in readers] == [{"n": 3}] * 3


async def test_progress(client, tmp_path):
    topic = client.topic("big", "application/octet-stream")
    path = tmp_path / "data"
    path.write_bytes(b"x" * 1_000_000)
    sent, got = [], []
    reader = await topic.get(progress=lambda *figures: got.append(figures))

    async def read():
        size = 0
        async for chunk in reader:
            size += len(chunk)
            if size == 1_000_000:
                return

    reading = asyncio.ensure_future(read())
    await topic.send(path, progress=lambda *figures: sent.append(figures))
    await reading
    assert sent[-1] == (1_000_000, 1_000_000)
    assert sent == sorted(sent)
    assert len(sent) > 2
    assert got[-1] == (1_000_000, None)
    assert reader.received == 1_000_000


async def test_a_reader_ends_when_the_topic_is_deleted(client):
    topic = client.topic("news")
    for follow in (False, True):
        lines = (await topic.get(follow=follow)).lines()
        await topic.send("1\n")
        assert await anext(lines) == "1"
        await topic.delete()
        assert [line async for line in lines] == []


async def test_instances_and_clients_share_a_topic(client, package):
    shout = await client.send_sequence(
        package("""
            requires = {"requires": "names", "contentType": "text/plain"}
            provides = {"provides": "greetings", "contentType": "text/plain"}

            async def run(context, input):
                async for line in input:
                    yield f"Hello {line}"
        """)
    )
    instance = await shout.start(input_topic="people", output_topic="hellos")
    info = await instance.get_info()
    assert (info.requires, info.provides) == ("people", "hellos")
    lines = (await client.topic("hellos", "text/plain").get()).lines()
    await client.topic("people", "text/plain").send("Alice\nBob\n")
    assert [await anext(lines), await anext(lines)] == ["Hello Alice", "Hello Bob"]
    with pytest.raises(errors.MethodNotAllowedError):
        await instance.send_input("Carol\n")


async def test_it_waits_for_its_turn_beyond_the_deadline_of_calls():
    turn = asyncio.Event()
    taken = []

    async def take(request):
        taken.append(await request.read())
        return web.json_response({})

    async def expect(request):
        await turn.wait()
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0

    async with (
        serving(("POST", "/topic/t", take), expect=expect) as server,
        HostClient(server.url, timeout=0.05) as host,
    ):
        sending = asyncio.ensure_future(host.topic("t").send("1\n"))
        done, _ = await asyncio.wait({sending}, timeout=0.2)
        assert not done
        turn.set()
        await sending
    assert taken == [b"1\n"]


def test_identity():
    host, same = HostClient("http://h"), HostClient("http://h/api/v1")
    assert host.topic("a") == TopicClient("a", same)
    assert len({host.topic("a"), same.topic("a"), host.topic("b")}) == 2
    assert host.topic("a") != host.sequence("a")
    assert repr(host.topic("a", "text/plain")) == "TopicClient('a', HostClient('http://h/api/v1'), 'text/plain')"
