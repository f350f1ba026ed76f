"""Reader groups and messages outlive a Hub that is killed, and their members too."""

import asyncio
import hashlib
import io
import os
import random
import signal

import pytest

from transform_hub.hub.reattach.ring import can_spool
from transform_hub.messages import head
from until import until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_spool(), reason="this system can't keep topics")]

NDJSON = "application/x-ndjson"
MESSAGES = "application/vnd.scramjet.messages"
WORK = f"""
import asyncio
requires = {{"requires": "jobs", "group": "billing", "contentType": "{NDJSON}"}}
async def run(context, input, path):
    with open(path, "a", buffering=1) as file:
        async for number in input:
            await asyncio.sleep(0.001)
            file.write(f"{{number}}\\n")
"""
HANG = WORK.replace("await asyncio.sleep(0.001)", 'file.write("began\\n"); await go.wait()').replace(
    "    with", '    go = asyncio.Event()\n    context.on("go", lambda _: go.set())\n    with'
)
WORK_JS = f"""
const fs = require("fs");
module.exports = [
  {{ requires: "jobs", group: "billing", contentType: "{NDJSON}" }},
  async function* (input, path) {{
    for await (const number of input) {{
      await new Promise((done) => setTimeout(done, 1));
      fs.appendFileSync(path, `${{number}}\\n`);
      yield "";
    }}
  }},
];
"""
SEND = f"""
import asyncio, random
provides = {{"provides": "files", "contentType": "{MESSAGES}"}}
async def run(context, input, count, size):
    finish = asyncio.Event()
    context.on("finish", lambda _: finish.set())
    for number in range(count):
        yield random.Random(number).randbytes(number * 7919 % size)
    await finish.wait()
"""
RECEIVE = f"""
import hashlib
requires = {{"requires": "files", "contentType": "{MESSAGES}"}}
async def run(context, input, path):
    with open(path, "w", buffering=1) as file:
        async for message in input:
            file.write(hashlib.sha1(message).hexdigest() + "\\n")
"""


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


def lines(count):
    return io.BytesIO(b"".join(b"%d\n" % number for number in range(count)))


async def jobs(api):
    [topic] = [each for each in (await api.get("/topics")).json if each["topic"] == "jobs"]
    return topic


@pytest.mark.parametrize(("source", "name"), [(WORK, "main.py"), (WORK_JS, "main.js")], ids=["python", "javascript"])
async def test_items_come_once_through_all_kills_of_the_hub(source, name, sth, package, tmp_path):
    chance, count, path = random.Random(2), 2000, tmp_path / "done"
    fields = {"engines": {"node": ">=18"}, "main": name} if name == "main.js" else {}
    api = await sth.start("--reattach")
    sequence = await api.send(package(files={name: source}, **fields))
    for _ in range(3):
        await api.start(sequence, args=[str(path)])
    await api.post("/topic/jobs", lines(count), content_type=NDJSON)
    kills = 0
    while len(lines_of(path)) < count:
        await asyncio.sleep(chance.uniform(0, 0.2))
        if kills < 6:
            kills += 1
            await sth.kill()
            api = await sth.start("--reattach", port=sth.port)
            assert (await jobs(api))["groups"] == {"billing": 3}
    assert sorted(map(int, lines_of(path))) == list(range(count))


async def test_an_item_that_is_being_worked_on_stays_with_its_member(sth, package, tmp_path):
    path = tmp_path / "done"
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(HANG)), args=[str(path)])
    await api.post("/topic/jobs", lines(2), content_type=NDJSON)
    await until(lambda: lines_of(path) == ["began"])
    await sth.kill()
    api = await sth.start("--reattach", port=sth.port)
    await api.post(f"{instance}/_event", [5001, {"eventName": "go"}])
    await until(lambda: lines_of(path) == ["began", "0", "began", "1"])


async def test_the_item_of_a_member_that_dies_while_there_is_no_hub_goes_to_another(sth, package, tmp_path):
    path, other = tmp_path / "done", tmp_path / "other"
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(HANG)), args=[str(path)])
    await api.post("/topic/jobs", lines(2), content_type=NDJSON)
    await until(lambda: lines_of(path) == ["began"])
    pid = (await api.get(f"{instance}/health")).json["processId"]
    await sth.kill()
    os.kill(pid, signal.SIGKILL)
    api = await sth.start("--reattach", port=sth.port)
    await api.start(await api.send(package(WORK)), args=[str(other)])
    await until(lambda: sorted(lines_of(other)) == ["0", "1"])


async def test_what_a_client_was_being_given_goes_to_another(sth, package, tmp_path):
    path, item = tmp_path / "done", b'"%s"' % (b"9" * 8_000_000)
    api = await sth.start("--reattach")
    async with api.session.get(f"{api.url}/topic/jobs?group=billing") as reader:
        await api.post("/topic/jobs", io.BytesIO(item + b"\n1\n"), content_type=NDJSON)
        assert await reader.content.readexactly(100) == item[:100]
        await sth.kill()
    api = await sth.start("--reattach", port=sth.port)
    await api.start(await api.send(package(WORK.replace("{number}", "{str(number)[:9]}"))), args=[str(path)])
    await until(lambda: sorted(lines_of(path)) == ["1", "999999999"])


async def test_items_and_members_killed_with_their_hub_at_random(sth, package, tmp_path):
    chance, count, path = random.Random(5), 1500, tmp_path / "done"
    policy = {"policy": "always", "delay": 10, "maxDelay": 20}
    api = await sth.start("--reattach")
    sequence = await api.send(package(WORK))
    instances = [await api.start(sequence, args=[str(path)], restart=policy) for _ in range(4)]
    await api.post("/topic/jobs", lines(count), content_type=NDJSON)
    killed = 0
    while len({*lines_of(path)}) < count:
        await asyncio.sleep(chance.uniform(0, 0.1))
        if killed >= 12:
            continue
        killed += 1
        if killed % 3 == 0:
            await sth.kill()
            api = await sth.start("--reattach", port=sth.port)
        elif pid := (await api.get(f"{chance.choice(instances)}/health")).json.get("processId"):
            os.kill(pid, signal.SIGKILL)
    assert {*map(int, lines_of(path))} == {*range(count)}
    assert len(lines_of(path)) <= count + killed


@pytest.mark.parametrize(("count", "size", "kills"), [(3000, 3000, 5), (40, 500_000, 4)])
async def test_messages_between_instances_come_whole_and_once_through_all_kills(
    count, size, kills, sth, package, tmp_path
):
    chance, path = random.Random(3), tmp_path / "read"
    expected = [hashlib.sha1(random.Random(each).randbytes(each * 7919 % size)).hexdigest() for each in range(count)]
    api = await sth.start("--reattach")
    await api.start(await api.send(package(RECEIVE)), args=[str(path)])
    await api.start(await api.send(package(SEND)), args=[count, size])
    for _ in range(kills):
        await asyncio.sleep(chance.uniform(0, 0.2))
        await sth.kill()
        api = await sth.start("--reattach", port=sth.port)
    await until(lambda: len(lines_of(path)) >= count)
    assert lines_of(path) == expected


async def test_a_reader_begins_with_a_whole_message_after_a_kill(sth):
    api = await sth.start("--reattach")
    messages = [os.urandom(400_000) for _ in range(2)]
    framed = b"".join(head(len(each)) + each for each in messages)
    headers = {"content-type": MESSAGES}
    await api.post("/topic/files", io.BytesIO(framed), content_type=MESSAGES)
    async with api.session.get(f"{api.url}/topic/files", headers=headers) as reader:
        assert await reader.content.readexactly(1000) == framed[:1000]
    await sth.kill()
    api = await sth.start("--reattach")
    async with api.session.get(f"{api.url}/topic/files", headers=headers) as reader:
        position = int(reader.headers["x-stream-position"])
        assert position in (0, 400_004, 800_008)
        rest = framed[position:] or b""
        assert await reader.content.readexactly(len(rest)) == rest


async def test_a_begun_message_that_can_not_be_kept_is_dropped_and_told(sth, package):
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(f"""
        import asyncio, socket
        provides = {{"provides": "files", "contentType": "{MESSAGES}"}}
        async def run(context, input):
            finish = asyncio.Event()
            context.on("finish", lambda _: finish.set())
            yield b"first"
            yield bytes(60_000_000)
            yield b"last"
            await finish.wait()
    """)))  # fmt: skip
    # While the large one is on its way: some of it is with the Hub, more than can be kept.
    await api.until(f"{instance}/health", lambda health: health["traffic"]["output"] > 5_000_000)
    await sth.kill()
    api = await sth.start("--reattach")
    async with api.session.get(f"{api.url}/topic/files", headers={"content-type": MESSAGES}) as reader:
        assert await reader.content.readexactly(9) == head(5) + b"first"
        second = await reader.content.readexactly(4)
        if second == head(60_000_000):  # the Hub had it whole
            await reader.content.readexactly(60_000_000)
            second = await reader.content.readexactly(4)
        assert second + await reader.content.readexactly(4) == head(4) + b"last"
