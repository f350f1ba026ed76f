"""Groups of readers and whole messages over the API."""

import asyncio
import io
import os
import signal
import sys

import pytest

from transform_hub.messages import LIMIT, head
from until import until

NDJSON = "application/x-ndjson"
MESSAGES = "application/vnd.scramjet.messages"


def framed(*messages):
    return b"".join(head(len(each)) + each for each in messages)


async def groups(api):
    return [each.get("groups") for each in (await api.get("/topics")).json]


async def test_clients_share_the_lines_of_a_topic(api):
    readers = [await api.session.get(f"{api.url}/topic/jobs?group=billing") for _ in range(3)]
    everything = await api.session.get(f"{api.url}/topic/jobs")
    [listed] = (await api.get("/topics")).json
    assert (listed["groups"], listed["readers"]) == ({"billing": 3}, 2)
    assert "x-stream-position" not in readers[0].headers
    await api.post("/topic/jobs", b"".join(b"%d\n" % number for number in range(300)), content_type=NDJSON)
    assert len(await everything.content.readexactly(1090)) == 1090
    await api.call("DELETE", "/topics/jobs")
    got = [(await reader.read()).splitlines() for reader in readers]
    assert sorted(int(line) for lines in got for line in lines) == list(range(300))
    assert all(len(lines) > 50 for lines in got)


@pytest.mark.parametrize(
    ("query", "headers", "why"),
    [
        ("group=a%20b", {}, "Invalid group"),
        ("group=", {}, "Invalid group"),
        ("group=g&tap=true", {}, "neither a tap nor a position"),
        ("group=g", {"x-stream-position": "0"}, "neither a tap nor a position"),
        ("group=g", {"content-type": "application/octet-stream"}, "no items that a group could share"),
    ],
)
async def test_what_can_be_no_member(query, headers, why, api):
    async with api.session.get(f"{api.url}/topic/t?{query}", headers=headers) as answer:
        assert answer.status == 400
        assert why in (await answer.json())["error"]


async def test_a_look_joins_no_group(api):
    await api.post("/topic/t", b"1\n", content_type=NDJSON)
    async with api.session.head(f"{api.url}/topic/t?group=g") as answer:
        assert answer.status == 200
    assert await groups(api) == [None]


async def test_a_client_that_does_not_read_holds_up_only_what_it_was_given(api):
    async with api.session.get(f"{api.url}/topic/t?group=g", read_bufsize=1) as idle:
        line = b"x" * 15_000_000 + b"\n"  # more than the system takes for a client
        await api.post("/topic/t", io.BytesIO(line), content_type="application/x-ndjson")
        async with api.session.get(f"{api.url}/topic/t?group=g") as other:
            await api.until("/topics", lambda topics: topics[0].get("groups") == {"g": 2})
            await api.post("/topic/t", b"".join(b"%d\n" % each for each in range(100)), content_type=NDJSON)
            got = [int(await other.content.readline()) for _ in range(100)]
            assert got == list(range(100))
            idle.close()  # it had only a piece of its line
            data = await other.content.readexactly(len(line))
            assert data == line


async def test_a_client_that_is_killed_loses_at_most_what_it_had_and_the_log_says_so(api, caplog):
    caplog.set_level("INFO")
    source = (
        "import sys, urllib.request\n"
        f"answer = urllib.request.urlopen('{api.url}/topic/t?group=g')\n"
        "print(answer.readline().decode(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    await api.until("/topics", lambda topics: [each.get("groups") for each in topics] == [{"g": 1}])
    await api.post("/topic/t", b"0\n", content_type=NDJSON)
    assert await client.stdout.readline() == b"0\n"
    client.send_signal(signal.SIGKILL)
    await client.wait()
    await api.until("/topics", lambda topics: topics[0].get("groups") is None)
    assert "A client left group g of topic t; it has had 1 items" in caplog.text
    await api.post("/topic/t", b"1\n2\n", content_type=NDJSON)
    async with api.session.get(f"{api.url}/topic/t?group=g") as other:
        assert await other.content.readexactly(4) == b"1\n2\n"


@pytest.mark.parametrize("cut", [1, 3, 7, 100_000])
async def test_messages_of_several_writers_are_never_torn_or_mixed(cut, api):
    count = 20
    sent = {(name, number): name * (1 + number * 5000) for name in (b"a", b"b", b"c") for number in range(count)}

    async def send(name):
        whole = framed(*(sent[name, number] for number in range(count)))

        async def pieces():
            for start in range(0, len(whole), max(cut, len(whole) // 500)):
                yield whole[start : start + max(cut, len(whole) // 500)]

        headers = {"content-type": MESSAGES}
        async with api.session.post(f"{api.url}/topic/t", data=pieces(), headers=headers) as answer:
            assert answer.status == 200

    sending = [asyncio.ensure_future(send(name)) for name in (b"a", b"b", b"c")]
    got = {b"a": [], b"b": [], b"c": []}
    async with api.session.get(f"{api.url}/topic/t", headers={"content-type": MESSAGES}) as reader:
        for _ in sent:
            message = await reader.content.readexactly(int.from_bytes(await reader.content.readexactly(4), "big"))
            assert len({*message}) == 1
            got[message[:1]].append(message)
    await asyncio.gather(*sending)
    for name, messages in got.items():
        assert messages == [sent[name, number] for number in range(count)]


async def test_a_writer_that_breaks_off_within_a_message_leaves_no_piece(api):
    gone = asyncio.Event()

    async def broken():
        yield framed(b"whole") + framed(b"x" * 100)[:50]
        gone.set()
        await asyncio.Event().wait()

    headers = {"content-type": MESSAGES}
    posting = asyncio.ensure_future(api.session.post(f"{api.url}/topic/t", data=broken(), headers=headers))
    await gone.wait()
    async with api.session.get(f"{api.url}/topic/t", headers=headers) as reader:
        assert await reader.content.readexactly(9) == framed(b"whole")
        posting.cancel()
        await api.until("/topics", lambda topics: topics[0]["writers"] == 0)
        await api.post("/topic/t", framed(b"next"), content_type=MESSAGES)
        assert await reader.content.readexactly(8) == framed(b"next")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (framed(b"whole") + framed(b"half")[:6], "not whole"),
        (b"\0\0", "not whole"),
        (framed(b"whole") + (LIMIT + 1).to_bytes(4, "big"), f"a message of {LIMIT + 1} bytes"),
        (b'{"json": 1}\n', "the longest has"),
    ],
)
async def test_what_is_no_message_is_refused(body, why, api):
    answer = await api.post("/topic/t", body, content_type=MESSAGES)
    assert (answer.status, why in answer.json["error"]) == (400, True)
    held = 9 if body[:9] == framed(b"whole") and why == "not whole" else 0
    assert (await api.get("/topics")).json[0]["held"] == held


async def test_the_longest_message(api):
    message = os.urandom(1000) + bytes(LIMIT - 1000)
    sending = asyncio.ensure_future(api.post("/topic/t", io.BytesIO(framed(message)), content_type=MESSAGES))
    async with api.session.get(f"{api.url}/topic/t", headers={"content-type": MESSAGES}) as reader:
        assert await reader.content.readexactly(4) == head(LIMIT)
        assert await reader.content.readexactly(LIMIT) == message
    assert (await sending).status == 200


async def test_a_reader_begins_with_a_whole_message_though_another_has_had_a_piece(hub, api):
    messages = [bytes([number]) * 300_000 for number in range(3)]
    for each in messages:
        await api.post("/topic/t", io.BytesIO(framed(each)), content_type=MESSAGES)
    topic = await hub.topics.find("t")
    with topic.reader() as first:
        first.seek(0)
        topic.channel.advance(first, 100)
        with topic.reader() as second:
            assert second.position == 0
        topic.channel.advance(first, 300_004)
        with topic.reader() as second:
            assert second.position == 300_004
    await until(lambda: topic.figures().held == 600_008)
