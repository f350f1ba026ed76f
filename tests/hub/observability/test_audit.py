"""The audit: codes, states, replay, heartbeats."""

import json

import aiohttp
import pytest

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.http.app import op_code
from transform_hub.hub.server import serve
from until import until


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/sequence", 10100),
        ("POST", "/sequence/x/start", 10117),
        ("PUT", "/sequence/x", 10300),
        ("DELETE", "/sequence/x", 10400),
        ("GET", "/sequence/x/instances", 10216),
        ("GET", "/instance/x", 11200),
        ("GET", "/instance/x/output", 11206),
        ("POST", "/instance/x/input", 11107),
        ("POST", "/instance/x/_stop", 11114),
        ("POST", "/instance/x/_kill", 11115),
        ("GET", "/instance/x/event/output", 11210),
        ("POST", "/topic/x", 12100),
        ("GET", "/topic/output", 12200),
        ("GET", "/sequences", None),
        ("GET", "/version", None),
        ("OPTIONS", "/sequence/x", None),
        ("HEAD", "/sequence/x", None),
    ],
)
def test_codes(method, path, code):
    assert op_code(method, path) == code


@pytest.fixture
def audit(hub, api):
    """Reads the audit until a record is found; all records up to it."""

    async def read(wanted):
        records = []
        async with api.session.get(hub.url + "/audit") as response:
            async for line in response.content:
                records.append(json.loads(line))
                if wanted(records[-1]):
                    return records
        raise AssertionError(records)

    return read


def ended(code):
    return lambda record: record["opCode"] == code and record["opState"] == "END"


async def test_a_request_is_written_when_it_comes_and_when_it_was_answered(audit, api, package):
    archive = package("async def run(context, input): yield 'abc'")
    sequence_id = await api.send(archive)
    answer = await api.get(f"/sequence/{sequence_id}", x_mw_billable="me", x_request_id="r-1")
    start, created, end, *_, last = await audit(ended(10200))
    assert start["opState"] == "START"
    assert (start["opCode"], start["requestorId"], start["requestId"]) == (10100, "system", end["requestId"])
    assert "objectId" not in start
    assert {key: created[key] for key in ("opState", "opCode", "objectId", "requestorId")} == {
        "opState": "",
        "opCode": 0,
        "objectId": sequence_id,
        "requestorId": "system",
    }
    assert end["rx"] == len(archive)
    assert end["tx"] > 0
    assert (last["objectId"], last["requestorId"], last["requestId"]) == (sequence_id, "me", "r-1")
    assert last["tx"] > len(answer.body)


async def test_what_is_refused_is_written_too(audit, api):
    await api.post("/sequence/some-id", b"x", content_type="application/octet-stream")
    (start, end) = await audit(ended(10100))
    assert (start["objectId"], end["objectId"]) == ("some-id", "some-id")


async def test_a_reader_that_leaves_is_an_error_and_moving_bytes_are_active(audit, api, hub, package):
    source = "async def run(context, input):\n    async for line in input: yield line"
    instance = await api.start(await api.send(package(source)))
    async with api.session.get(hub.url + instance + "/output") as response:
        await api.input(instance, "hello\n", x_end_stream="false")
        assert await response.content.readline() == b"hello\n"
        records = await audit(lambda record: record["opCode"] == 11206 and record["opState"] == "ACTIVE")
        assert records[-1]["tx"] > len("hello\n")
        response.close()
    await audit(lambda record: record["opCode"] == 11206 and record["opState"] == "ERROR")


@pytest.mark.parametrize(
    ("end", "code"), [("_stop", 1), ("input", 2), ("_kill", 3)], ids=["stopped", "ended", "terminated"]
)
async def test_the_life_of_an_instance(end, code, audit, api, package):
    source = """
        import asyncio
        async def run(context, input):
            context.set_stop_handler(stop)
            async for line in input: yield line
        async def stop(timeout, can_keep_alive): pass
    """
    limits = {"memory": 128}
    instance = await api.start(await api.send(package(source)), limits=limits)
    assert (await api.get(instance)).json["limits"] == limits
    if end == "input":
        await api.input(instance, "")
    else:
        await api.post(f"{instance}/{end}", {})
    await api.ended(instance)
    await api.get(f"{instance}/health")
    events = [record for record in await audit(ended(11208)) if record["opState"] == ""]
    own = [record for record in events if instance.endswith(record["objectId"])]
    assert [record["opCode"] for record in own] == [4, 0, code]
    assert own[1]["limits"] == limits


async def test_heartbeats_while_somebody_listens(tmp_path, api_of, package):
    async with serve(data_dir=tmp_path, heartbeat_ms=20) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        instance = await api.start(await api.send(package("def run(context, input): return input")))
        beats = {}
        async with session.get(hub.url + "/audit") as response:
            while len(beats) < 2:
                record = json.loads(await response.content.readline())
                if record["opCode"] in (13010, 13012):
                    beats[record["opCode"]] = record
        assert beats[13010]["objectId"] == "STH"
        assert instance.endswith(beats[13012]["objectId"])
        assert beats[13012]["opState"] == "ACTIVE"
        await until(lambda: not hub.audit.channel.readers)
        await until(lambda: hub.audit._beat is None)  # it notices at the next beat that nobody is there


async def test_history_is_bounded(hub, api):
    hub.audit.channel = Channel(limit=1000, history=True)
    for _ in range(20):
        await api.get("/sequence/nope")
    assert hub.audit.channel.size <= 1000


async def test_a_look_at_the_audit_takes_and_starts_nothing(hub, api):
    answer = await api.call("HEAD", "/audit")
    assert (answer.status, answer.body) == (200, b"")
    assert (await api.get("/audit", accept="text/html")).status == 415
    assert hub.audit.channel.readers == 0
