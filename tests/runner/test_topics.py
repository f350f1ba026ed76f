"""Sequences that declare topics."""

import asyncio

import pytest

DOUBLE = """
requires = {"requires": "numbers", "contentType": "application/x-ndjson"}
provides = {"provides": "doubles", "contentType": "application/x-ndjson"}
async def run(context, input):
    async for number in input: yield number * 2
"""

DOUBLE_BY_ATTRIBUTES = """
def run(context, input):
    stream = input.map(lambda number: number * 2)
    stream.requires, stream.provides = "numbers", "doubles"
    stream.content_type = "application/x-ndjson"
    return stream
"""


async def first(api, topic, size, content_type="application/x-ndjson"):
    async with api.session.get(f"{api.url}/topic/{topic}", headers={"content-type": content_type}) as response:
        assert response.status == 200
        return await response.content.readexactly(size)


async def until(api, instance, **fields):
    while not fields.items() <= (await api.get(instance)).json.items():
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("source", [DOUBLE, DOUBLE_BY_ATTRIBUTES], ids=["by the module", "by the result"])
async def test_topics_are_connected_and_shown(source, launch, api):
    instance = await launch(source)
    await until(api, instance, requires="numbers", provides="doubles")
    answer = await api.post("/topic/numbers", b"1\n2\n", content_type="application/x-ndjson")
    assert answer.status == 200
    assert await first(api, "doubles", 4) == b"2\n4\n"


async def test_the_start_may_rename_topics(launch, api):
    instance = await launch(DOUBLE, inputTopic="in", outputTopic="out")
    await until(api, instance, requires="in", provides="out")
    await api.post("/topic/in", b"4\n", content_type="application/x-ndjson")
    assert await first(api, "out", 2) == b"8\n"
    assert sorted(topic["topic"] for topic in (await api.get("/topics")).json) == ["in", "out"]


async def test_topics_chain_instances(launch, api):
    await launch(DOUBLE, outputTopic="between")
    await launch(DOUBLE, inputTopic="between")
    await api.post("/topic/numbers", b"5\n", content_type="application/x-ndjson")
    assert await first(api, "doubles", 3) == b"20\n"


async def test_input_from_a_topic_takes_no_other(launch, api):
    instance = await launch(DOUBLE)
    answer = await api.input(instance, b"1\n", "application/x-ndjson")
    assert answer.status == 405
    assert answer.json["error"]


async def test_a_topic_declared_twice_is_written_once(launch, api):
    instance = await launch("""
        from scramjet.streams import Stream
        provides = {"provides": "names", "contentType": "text/plain"}
        def run(context, input):
            stream = Stream.from_iterable(["a\\n", "b\\n"])
            stream.provides = "names"
            return stream
    """)
    assert (await api.ended(instance))["provides"] == "names"
    await api.post("/topic/names", b"end\n", content_type="text/plain")
    assert await first(api, "names", 8, "text/plain") == b"a\nb\nend\n"


async def test_renaming_what_is_not_declared_leaves_the_input_open(launch, api):
    instance = await launch("def run(context, input): return input", inputTopic="in")
    assert (await api.input(instance, b"direct")).status == 200
    assert await api.read(f"{instance}/output") == b"direct"


async def test_declarations_that_mean_nothing_are_ignored(result):
    for declared in (None, [], "names", {"provides": 1}, {"provides": ""}, {}, {"other": "x"}):
        output, info = await result(f"provides = requires = {declared!r}\ndef run(context, input): return 'fine'")
        assert (output, info["status"]) == (b"fine", "completed")
        assert not {"provides", "requires"} & info.keys()
