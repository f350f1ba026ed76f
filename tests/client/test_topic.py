"""Topics of a real Hub, through their client."""

import asyncio
import os

import pytest
from aiohttp import web
from faulty import serving

from transform_hub import errors
from transform_hub.client import HostClient, TopicClient
from transform_hub.models.rules import MESSAGES


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


async def test_messages_arrive_as_they_were_sent(client):
    topic = client.topic("images", MESSAGES)
    sent = [os.urandom(size) for size in (0, 1, 70_000, 2_000_000)]

    async def one_by_one():
        for message in sent:
            yield message

    sending = asyncio.ensure_future(topic.send_messages(one_by_one()))
    async with topic.get() as reader:
        messages = reader.messages()
        assert [await anext(messages) for _ in sent] == sent
        await sending
        await topic.send_messages([memoryview(b"abc"), bytearray(b"de")])
        assert [await anext(messages) for _ in range(2)] == [b"abc", b"de"]
        await topic.delete()
        assert [message async for message in messages] == []


async def test_what_can_not_be_sent_as_messages(client):
    with pytest.raises(ValueError, match=r"a topic of application/vnd\.scramjet\.messages"):
        await client.topic("lines").send_messages([b"a"])
    topic = client.topic("images", MESSAGES)
    with pytest.raises(TypeError, match=r"use \[message\]"):
        await topic.send_messages(b"one")
    with pytest.raises(TypeError, match="must be bytes, not str"):
        await topic.send_messages([b"one", "two"])
    with pytest.raises(ValueError, match="a message of 67108865 bytes"):
        await topic.send_messages([bytes(64 * 1024 * 1024 + 1)])
    with pytest.raises(errors.BadRequestError, match="not whole"):
        await topic.send(b"\0\0\0\5half")


async def test_what_is_no_stream_of_messages(client):
    topic = client.topic("raw", "application/octet-stream")
    for data, why in ((b"\xff\xff\xff\xff", "not a stream of messages"), (b"\0\0\0\5half", "ends within a message")):
        await topic.send(data)
        async with topic.get() as reader:
            messages = reader.messages()
            if why.startswith("ends"):
                reading = asyncio.ensure_future(anext(messages))
                await until_read(client)
                await topic.delete()
            else:
                reading = anext(messages)
            with pytest.raises(errors.StreamError, match=why):
                await reading


async def until_read(client):
    while any(topic.held for topic in await client.list_topics()):
        await asyncio.sleep(0)


async def test_members_of_a_group_share_the_items(client):
    topic = client.topic("jobs")
    async with topic.get(group="billing") as one, topic.get(group="billing") as two:
        [listed] = await client.list_topics()
        assert (listed.groups, listed.readers) == ({"billing": 2}, 1)
        await topic.send("".join(f"{number}\n" for number in range(100)))
        await topic.delete()
        got = [[number async for number in one.json()], [number async for number in two.json()]]
    assert sorted(got[0] + got[1]) == list(range(100))
    assert all(got)
    with pytest.raises(ValueError, match="can't follow or tap"):
        topic.get(group="billing", follow=True)
    with pytest.raises(errors.BadRequestError, match="Invalid group"):
        await topic.get(group="a b")
