"""Instances that share the items of a topic, and what happens to items when one dies."""

import asyncio
import io
import json
import os
import random
import signal

import pytest

from until import until

NDJSON = "application/x-ndjson"
WORK = f"""
requires = {{"requires": "jobs", "group": "billing", "contentType": "{NDJSON}"}}
async def run(context, input, path):
    with open(path, "a", buffering=1) as file:
        async for number in input:
            file.write(f"{{number}} {{context.instance_id}}\\n")
"""
HANG = f"""
import asyncio
requires = {{"requires": "jobs", "group": "billing", "contentType": "{NDJSON}"}}
async def run(context, input, path):
    async for number in input:
        with open(path, "a") as file:
            file.write(f"{{number}} {{context.instance_id}}\\n")
        await asyncio.Event().wait()
"""
WORK_JS = """
const fs = require("fs");
module.exports = [
  { requires: "jobs", group: "billing", contentType: "application/x-ndjson" },
  async function* (input, path) {
    for await (const number of input) {
      fs.appendFileSync(path, `${number} ${this.instanceId}\\n`);
      yield "";
    }
  },
];
"""


def numbers_in(path):
    return [int(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []


def lines(*numbers):
    return io.BytesIO(b"".join(b"%d\n" % number for number in numbers))


async def groups(api):
    return {each["topic"]: each.get("groups") for each in (await api.get("/topics")).json}


@pytest.mark.parametrize(("source", "main"), [(WORK, "main.py"), (WORK_JS, "main.js")], ids=["python", "javascript"])
@pytest.mark.parametrize("members", [1, 4])
async def test_instances_compete_for_items(source, main, members, launch, launch_js, api, tmp_path):
    path = tmp_path / "done"
    start = launch if main == "main.py" else launch_js
    instances = [await start(source, args=[str(path)]) for _ in range(members)]
    info = await api.until(instances[0], lambda info: info.get("requires") == "jobs")
    assert info["inputGroup"] == "billing"
    await api.until("/topics", lambda found: [each.get("groups") for each in found] == [{"billing": members}])
    assert (await api.get("/topics")).json[0]["readers"] == 1
    await api.post("/topic/jobs", lines(*range(500)), content_type=NDJSON)
    await until(lambda: len(numbers_in(path)) >= 500)
    assert sorted(numbers_in(path)) == list(range(500))
    by = {line.split()[1] for line in path.read_text().splitlines()}
    assert len(by) == members


async def test_the_start_may_name_a_group(launch, api, tmp_path):
    path = tmp_path / "done"
    source = WORK.replace('"group": "billing", ', "")
    for _ in range(2):
        await launch(source, args=[str(path)], inputTopic="other", inputGroup="shipping")
    await api.until("/topics", lambda found: [each.get("groups") for each in found] == [{"shipping": 2}])
    await api.post("/topic/other", lines(*range(50)), content_type=NDJSON)
    await until(lambda: len(numbers_in(path)) >= 50)
    assert sorted(numbers_in(path)) == list(range(50))


async def test_a_group_that_can_not_be_is_refused_or_noted(api, launch, package):
    sequence = await api.send(package(WORK))
    answer = await api.post(f"/sequence/{sequence}/start", {"inputGroup": "a b", "args": ["x"]})
    assert (answer.status, "inputGroup" in answer.json["error"]) == (400, True)
    instance = await launch("""
        requires = {"requires": "b", "group": "g", "contentType": "application/octet-stream"}
        async def run(context, input):
            async for data in input: pass
    """)
    await until(lambda: b"no items that a group could share" in api.instance(instance).streams.log.tail(100_000))


async def test_a_slow_instance_holds_one_item(launch, api, tmp_path):
    slow, fast = tmp_path / "slow", tmp_path / "fast"
    await launch(HANG, args=[str(slow)])
    await api.post("/topic/jobs", lines(*range(10)), content_type=NDJSON)
    await until(lambda: numbers_in(slow) == [0])
    await launch(WORK, args=[str(fast)])
    await until(lambda: len(numbers_in(fast)) >= 9)
    assert numbers_in(fast) == list(range(1, 10))


@pytest.mark.parametrize("end", ["kill -9", "_kill", "_stop", "raise"])
async def test_the_item_of_an_instance_that_dies_goes_to_another(end, launch, api, process, tmp_path):
    slow, other = tmp_path / "slow", tmp_path / "other"
    source = HANG.replace("await asyncio.Event().wait()", "raise ValueError") if end == "raise" else HANG
    instance = await launch(source, args=[str(slow)])
    await api.post("/topic/jobs", lines(1, 2), content_type=NDJSON)
    await until(lambda: numbers_in(slow) == [1])
    if end == "kill -9":
        (await process(instance)).send_signal(signal.SIGKILL)
    elif end != "raise":
        await api.post(f"{instance}/{end}", {"timeout": 200})
    await api.ended(instance)
    await launch(WORK, args=[str(other)])
    await until(lambda: sorted(numbers_in(other)) == [1, 2])
    log = api.instance(instance).streams.log.tail(100_000)
    assert b"was not done and goes to another member: 2 bytes at 0: '1\\\\n'" in log


async def test_an_instance_that_completes_has_done_its_last_item(launch, api, tmp_path):
    path = tmp_path / "done"
    source = HANG.replace("await asyncio.Event().wait()", "return")
    await api.post("/topic/jobs", lines(*range(4)), content_type=NDJSON)
    for number in range(3):
        await api.ended(await launch(source, args=[str(path)]))
        assert numbers_in(path) == list(range(number + 1))


async def test_an_item_that_was_given_and_not_taken_goes_to_another(launch, api, tmp_path):
    path = tmp_path / "done"
    instance = await launch(
        f"""
        import asyncio
        requires = {{"requires": "jobs", "group": "billing", "contentType": "{NDJSON}"}}
        async def run(context, input):
            asking, go = asyncio.ensure_future(input.read()), asyncio.Event()
            context.on("give up", lambda _: go.set())
            await go.wait()
            asking.cancel()
            context.emit("gave up", True)
            while not input._pyfca.ready: await asyncio.sleep(0.01)
        """
    )
    await until(lambda: api.instance(instance).run.wanted is not None)
    await api.post(f"{instance}/_event", [5001, {"eventName": "give up"}])
    assert (await api.get(f"{instance}/event/gave%20up")).json is True
    await api.post("/topic/jobs", lines(5), content_type=NDJSON)
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0
    await launch(WORK, args=[str(path)])
    await until(lambda: numbers_in(path) == [5])


@pytest.mark.parametrize("end", ["_kill", "_stop"])
async def test_no_item_is_to_blame_for_an_end_that_was_asked_for(end, launch, api, tmp_path):
    path = tmp_path / "done"
    await api.post("/topic/jobs", lines(1), content_type=NDJSON)
    for number in range(5):
        instance = await launch(HANG, args=[str(path)])
        await until(lambda number=number: numbers_in(path) == [1] * (number + 1))
        await api.post(f"{instance}/{end}", {"timeout": 200})
        await api.ended(instance)


@pytest.mark.parametrize("poison", [b"1\n", b"{not json}\n"], ids=["it fails on", "no JSON"])
async def test_a_poisonous_item_is_dropped_after_three_runs(poison, launch, api, tmp_path, caplog):
    path = tmp_path / "done"
    source = WORK.replace("file.write", 'if number == 1: raise ValueError("bad")\n            file.write')
    instance = await launch(source, args=[str(path)], restart={"policy": "on-failure", "delay": 10, "maxDelay": 10})
    await api.post("/topic/jobs", io.BytesIO(poison + b"7\n"), content_type=NDJSON)
    await until(lambda: numbers_in(path) == [7])
    assert "drops an item after 3 members have failed on it" in caplog.text
    assert (await api.get(instance)).json["restarts"] == 3


async def test_functions_of_the_stream_get_one_item_at_a_time(launch, api, tmp_path):
    instance = await launch(f"""
        import asyncio
        requires = {{"requires": "jobs", "group": "billing", "contentType": "{NDJSON}"}}
        provides = {{"contentType": "{NDJSON}"}}
        busy = 0
        async def work(number):
            global busy
            busy += 1
            await asyncio.sleep(0.001)
            busy -= 1
            return [number, busy]
        def run(context, input):
            return input.filter(lambda number: number % 2).map(work)
    """)
    await api.post("/topic/jobs", lines(*range(40)), content_type=NDJSON)
    async with api.session.get(f"{api.url}{instance}/output") as output:
        got = [json.loads(await output.content.readline()) for _ in range(20)]
    assert got == [[number, 0] for number in range(1, 40, 2)]


@pytest.mark.slow
@pytest.mark.parametrize("members", [4, 20])
async def test_numbered_lines_through_members_that_are_killed_at_random(members, launch, api, process, tmp_path):
    chance, path, count = random.Random(members), tmp_path / "done", 2000
    policy = {"policy": "always", "delay": 10, "maxDelay": 10}
    sequence = [await launch(WORK, args=[str(path)], restart=policy) for _ in range(members)]
    sending = asyncio.ensure_future(api.post("/topic/jobs", lines(*range(count)), content_type=NDJSON))
    killed = 0
    while len({*numbers_in(path)}) < count:
        pid = (await api.get(f"{chance.choice(sequence)}/health")).json.get("processId")
        if pid and killed < 3 * members:
            killed += 1
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)
    assert (await sending).status == 200
    assert {*numbers_in(path)} == {*range(count)}
    assert len(numbers_in(path)) <= count + killed
