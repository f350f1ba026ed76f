"""Sequences that declare topics."""

import json

import pytest

from until import until

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


@pytest.mark.parametrize("source", [DOUBLE, DOUBLE_BY_ATTRIBUTES], ids=["by the module", "by the result"])
async def test_topics_are_connected_and_shown(source, launch, api):
    instance = await launch(source)
    await api.until(instance, lambda info: (info.get("requires"), info.get("provides")) == ("numbers", "doubles"))
    answer = await api.post("/topic/numbers", b"1\n2\n", content_type="application/x-ndjson")
    assert answer.status == 200
    assert await first(api, "doubles", 4) == b"2\n4\n"


async def test_the_start_may_rename_topics(launch, api):
    instance = await launch(DOUBLE, inputTopic="in", outputTopic="out")
    await api.until(instance, lambda info: (info.get("requires"), info.get("provides")) == ("in", "out"))
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


async def test_instances_and_clients_write_and_read_one_topic_at_once(launch, api):
    """Two providers, two clients; one Instance and two clients read: everybody gets all, each writer's in order."""
    consumer = await launch(COLLECT, inputTopic="all")
    readers = [await api.session.get(f"{api.url}/topic/all") for _ in range(2)]
    for _ in range(2):
        await launch(COUNT_UP, outputTopic="all", args=[200])
    for name in ("one", "two"):
        lines = b"".join(b'["%s",%d]\n' % (name.encode(), number) for number in range(200))
        assert (await api.post("/topic/all", lines, content_type=NDJSON)).status == 200
    lists = [await items(reader, 800) for reader in readers]
    async with api.session.get(f"{api.url}{consumer}/output") as output:
        lists.append(await items(output, 800))
    for got in lists:
        writers = {name for name, _ in got}
        assert len(writers) == 4
        assert all([number for name, number in got if name == writer] == list(range(200)) for writer in writers)
        assert got == lists[0]
    for reader in readers:
        reader.close()


async def items(stream, count):
    return [json.loads(await stream.content.readline()) for _ in range(count)]


NDJSON = "application/x-ndjson"
COLLECT = f"""
requires = {{"requires": "in", "contentType": "{NDJSON}"}}
provides = {{"contentType": "{NDJSON}"}}
async def run(context, input):
    async for item in input: yield item
"""
COUNT_UP = f"""
provides = {{"provides": "out", "contentType": "{NDJSON}"}}
async def run(context, input, count):
    for number in range(count): yield [context.instance_id, number]
"""


async def test_deleting_a_topic_is_the_end_of_a_consumers_input(launch, api):
    instance = await launch(COLLECT)
    await api.post("/topic/in", b"1\n", content_type=NDJSON)
    await api.call("DELETE", "/topics/in")
    assert await api.read(f"{instance}/output") == b"1\n"
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0


async def test_output_whose_topic_is_deleted_waits_for_readers(launch, api):
    instance = await launch("""
        provides = {"provides": "out", "contentType": "text/plain"}
        async def run(context, input):
            yield "to the topic\\n"
            async for line in input: yield line
    """)
    assert await first(api, "out", 13, "text/plain") == b"to the topic\n"
    await api.call("DELETE", "/topics/out")
    await api.input(instance, b"not in the topic\n", x_end_stream="false")
    await until(lambda: b"was deleted" in api.instance(instance).streams.log.tail(100_000))
    await api.input(instance, b"later\n")
    assert await api.read(f"{instance}/output") == b"to the topic\nnot in the topic\nlater\n"
    assert (await api.get("/topics")).json == []


async def test_a_topic_of_its_own(launch, api, process):
    """An Instance that requires what it provides gets its own items; neither it nor the Hub grows."""
    instance = await launch("""
        requires = {"requires": "loop", "contentType": "application/x-ndjson"}
        provides = {"provides": "loop", "contentType": "application/x-ndjson"}
        async def run(context, input):
            async for number in input:
                context.emit("number", number)
                if number == 1000: return
                yield number + 1
    """)
    await api.post("/topic/loop", b"0\n", content_type=NDJSON)
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0
    assert (await api.get(f"{instance}/event/number")).json == 1000


async def test_a_topic_of_its_own_that_swells_is_held_and_the_instance_can_be_killed(
    launch, api, process, monkeypatch, caplog
):
    monkeypatch.setattr("transform_hub.hub.topics.local.STALL", 0.5)
    instance = await launch("""
        requires = {"requires": "loop", "contentType": "text/plain"}
        provides = {"provides": "loop", "contentType": "text/plain"}
        async def run(context, input):
            async for line in input:
                yield line
                yield line
    """)
    runner = await process(instance)
    await api.post("/topic/loop", b"x" * 99_999 + b"\n", content_type="text/plain")
    await until(lambda: "Topic loop has been full" in caplog.text)
    assert runner.memory_info().rss < 150_000_000
    await api.post(f"{instance}/_kill", {})
    assert (await api.ended(instance))["terminated"]["exitcode"] == 137


@pytest.mark.parametrize(("ending", "last"), [("return", b"half"), ("os.kill(os.getpid(), 9)", b"")])
async def test_the_last_line_of_a_provider_counts_if_it_was_not_cut_off(ending, last, launch, api, caplog):
    instance = await launch(f"""
        import asyncio, os
        provides = {{"provides": "out", "contentType": "text/plain"}}
        async def run(context, input):
            yield "whole\\n"
            yield "half"
            async for line in input: pass
            {ending}
    """)
    async with api.session.get(f"{api.url}/topic/out", headers={"content-type": "text/plain"}) as reader:
        assert await reader.content.readline() == b"whole\n"
        await api.input(instance, b"")
        await api.ended(instance)
        await api.post("/topic/out", b"end\n", content_type="text/plain")
        assert await reader.content.readexactly(len(last) + 4) == last + b"end\n"
    if not last:
        assert "left a line for topic out unfinished" in caplog.text


async def test_a_topic_of_another_type_is_noted_and_the_instance_goes_on(launch, api):
    await api.post("/topics", {"id": "out", "content-type": "text/plain"})
    instance = await launch(COUNT_UP, args=[2])
    await api.ended(instance)
    assert len((await api.read(f"{instance}/output")).splitlines()) == 2
    log = await api.read(f"{instance}/log")
    assert b"Topic out carries text/plain, not application/x-ndjson" in log


async def test_a_provider_is_held_by_a_topic_that_nobody_reads(launch, api, process, monkeypatch, caplog):
    monkeypatch.setattr("transform_hub.hub.topics.local.STALL", 0.5)
    instance = await launch("""
        provides = {"provides": "out", "contentType": "text/plain"}
        async def run(context, input):
            while True: yield "x" * 99_999 + "\\n"
    """)
    runner = await process(instance)
    await until(lambda: "Topic out has been full" in caplog.text)
    assert runner.memory_info().rss < 150_000_000
    await api.post(f"{instance}/_kill", {})
    assert (await api.ended(instance))["terminated"]["exitcode"] == 137
