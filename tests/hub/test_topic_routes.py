"""Topics over the API: made, listed, deleted, written and read."""

import asyncio

import pytest

NDJSON = "application/x-ndjson"


async def test_create_list_delete(api):
    answer = await api.post("/topics", {"id": "news", "content-type": NDJSON})
    assert answer.status == 200
    assert (answer.json["id"], answer.json["contentType"]) == ("news", NDJSON)
    listed = (await api.get("/topics")).json
    assert listed == [{"contentType": NDJSON, "localProvider": "", "topic": "news", "topicName": "news"}]
    assert (await api.call("DELETE", "/topics/news")).json == {"message": "Topic news removed"}
    assert (await api.call("DELETE", "/topics/news")).status == 404
    assert (await api.get("/topics")).json == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing body param: id"),
        ({"id": "x"}, "Missing body param: content-type"),
        ({"id": "x", "content-type": "text/html"}, "Unsupported content-type"),
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
