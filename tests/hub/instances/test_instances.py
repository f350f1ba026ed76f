"""Instances over the API: start and its refusals, info, control, events."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from transform_hub.hub.server import serve
from until import until

ECHO = "def run(context, input, *args): return input"
ID = "00000000-1111-2222-3333-444444444444"


@pytest.fixture
async def echo(api, package):
    """An Instance of a Sequence that gives back its input."""
    return await api.start(await api.send(package(ECHO)))


async def test_start_answers_when_the_instance_runs(api, package):
    sequence_id = await api.send(package(ECHO))
    answer = await api.post(
        f"/sequence/{sequence_id}/start", {"appConfig": {"a": 1}, "args": ["x", 2], "instanceId": ID}
    )
    assert (answer.status, answer.json) == (200, {"id": ID, "message": f"Sequence {ID} starting"})
    info = (await api.get(f"/instance/{ID}")).json
    assert (info["id"], info["status"], info["args"], info["appConfig"]) == (ID, "running", ["x", 2], {"a": 1})
    assert info["sequence"]["id"] == sequence_id
    assert info["created"] <= info["started"]
    assert (await api.get("/instances")).json == [info]
    assert (await api.get("/entities")).json["instances"] == [info]
    assert (await api.get(f"/sequence/{sequence_id}/instances")).json == [ID]
    assert (await api.get(f"/sequence/{sequence_id}")).json["instances"] == [ID]


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        ('{"args":', "application/json", "Could not parse content"),
        ("{}", "text/plain", "Could not parse content"),
        ("{}", "application/json; charset=latin1", "Could not parse content"),
        ('{"args": "abc"}', "application/json", "Invalid args format"),
        ('{"args": {"a": 1}}', "application/json", "Invalid args format"),
        ('{"appConfig": []}', "application/json", "Invalid appConfig format"),
        ('{"instanceId": "short"}', "application/json", "Invalid instanceId format"),
        ('{"outputTopic": "a b"}', "application/json", "Invalid outputTopic format: letters, digits"),
        ('{"inputTopic": "a/b"}', "application/json", "Invalid inputTopic format: letters, digits"),
        ('{"limits": {"memory": 1e30}}', "application/json", "memory: at most 1,099,511,627,776"),
        ('{"limits": {"disk": 1e30}}', "application/json", "disk: at most"),
        ('{"instanceId": 5}', "application/json", "Invalid instanceId format"),
        (f'{{"instanceId": "{"/" * 36}"}}', "application/json", "Invalid instanceId format"),
    ],
)
async def test_a_bad_start_is_refused_and_starts_nothing(body, content_type, message, api, package):
    sequence_id = await api.send(package(ECHO))
    answer = await api.post(f"/sequence/{sequence_id}/start", body, content_type=content_type)
    assert answer.status == 400
    assert message in answer.json["error"]
    assert (await api.get("/instances")).json == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{}", b'{"args": null, "unknown": 1}', b"\xef\xbb\xbf{}",
        b"null", b'"text"', b"5", b"true", b"[]", b"[1, 2]",
    ],
)  # fmt: skip
async def test_a_start_needs_no_options(body, api, package):
    sequence_id = await api.send(package(ECHO))
    answer = await api.post(f"/sequence/{sequence_id}/start", body, content_type="Application/JSON; charset=UTF-8")
    assert answer.status == 200
    info = (await api.get(f"/instance/{answer.json['id']}")).json
    assert not {"args", "appConfig"} & set(info)


async def test_a_start_with_unknown_fields_tells_them(api, package, caplog):
    sequence = await api.send(package(ECHO))
    plain = await api.start(sequence, args=["x"], appConfig={"arg": 1}, instanceId=ID)
    assert "unknown" not in caplog.text
    misspelt = await api.start(sequence, arg=["x"], app_config={}, **{"x" * 1000: 1})
    told = "The start has fields that are unknown and ignored: 'app_config', 'arg', '" + "x" * 100 + "'"
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        f"Instance {misspelt.rpartition('/')[2]}: {told}"
    ]
    await api.start(sequence, **{str(number): 1 for number in range(10, 25)})
    assert caplog.text.rstrip().endswith("'18', '19' and 5 more")
    for instance in (plain, misspelt):
        await api.input(instance, b"")
        await api.ended(instance)
    assert told in (await api.read(f"{misspelt}/log")).decode()
    assert b"unknown" not in await api.read(f"{plain}/log")


async def test_a_start_without_a_body_needs_no_content_type(api, package):
    sequence_id = await api.send(package(ECHO))
    async with api.session.post(
        f"{api.url}/sequence/{sequence_id}/start", skip_auto_headers=["content-type"]
    ) as answer:
        assert answer.status == 200


async def test_orders_that_are_null_say_nothing(echo, api):
    assert (await api.post(f"{echo}/_stop", b"null", content_type="application/json")).status == 202
    assert (await api.post(f"{echo}/_kill", b"null", content_type="application/json")).status == 202


async def test_an_id_is_taken_once(api, package):
    sequence_id = await api.send(package(ECHO))
    await api.start(sequence_id, instanceId=ID)
    answer = await api.post(f"/sequence/{sequence_id}/start", {"instanceId": ID})
    assert (answer.status, answer.json) == (409, {"error": "Instance with a given ID already exists"})


async def test_a_language_that_cannot_be_run(api, package):
    sequence_id = await api.send(
        package(files={"index.ts": ""}, main="index.ts", engines={}),
    )
    answer = await api.post(f"/sequence/{sequence_id}/start", {})
    assert answer.status == 400
    assert "index.ts" in answer.json["error"]
    assert (await api.get("/instances")).json == []


async def test_a_client_that_goes_away_does_not_stop_a_start(api, hub, package):
    sequence_id = await api.send(package("import time; time.sleep(0.3)\ndef run(context, input): return input"))
    _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    writer.write(f"POST /api/v1/sequence/{sequence_id}/start HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await until(lambda: hub.instances)
    writer.close()
    await api.status(f"/instance/{next(iter(hub.instances))}", "running")


async def test_health_names_the_process(echo, api):
    health = (await api.get(f"{echo}/health")).json
    assert health["healthy"] is True
    assert Path(f"/proc/{health['processId']}/stat").read_text()


@pytest.mark.parametrize(
    ("route", "body", "message"),
    [
        ("_stop", {"timeout": "x"}, "Invalid timeout format"),
        ("_stop", {"timeout": -1}, "Invalid timeout format"),
        ("_stop", {"canCallKeepalive": 1}, "Invalid canCallKeepalive format"),
        ("_kill", {"removeImmediately": "x"}, "Invalid removeImmediately format"),
        ("_event", {"eventName": "x"}, "Invalid format"),
        ("_event", [5001, {}], "Invalid format, eventName missing."),
        ("_event", [5001, {"eventName": 5}], "Invalid format, eventName missing."),
        ("_monitoring_rate", [4003, {}], "Invalid monitoringRate format"),
        ("_monitoring_rate", [4003, {"monitoringRate": -1}], "Invalid monitoringRate format"),
    ],
)
async def test_bad_orders_are_refused_and_change_nothing(route, body, message, echo, api):
    answer = await api.post(f"{echo}/{route}", body)
    assert answer.status == 400
    assert message in answer.json["error"]
    assert (await api.get(echo)).json["status"] == "running"


async def test_kill_is_accepted_in_every_state_and_idempotent(echo, api):
    first = await api.post(f"{echo}/_kill")
    assert first.status == 202
    info = await api.ended(echo)
    assert (info["status"], info["terminated"]) == ("completed", {"exitcode": 137, "reason": "Instance killed"})
    again = await api.post(f"{echo}/_kill", {"removeImmediately": False})
    assert (again.status, again.json["status"]) == (202, "completed")
    assert (await api.post(f"{echo}/_kill", {"removeImmediately": True})).status == 202
    assert (await api.get(echo)).status == 404


async def test_orders_may_be_control_messages_as_older_clients_send_them(echo, api):
    answer = await api.post(f"{echo}/_kill", [4002, {"removeImmediately": "x"}])
    assert "Invalid removeImmediately format" in answer.json["error"]
    assert (await api.post(f"{echo}/_stop", [4001, {"timeout": 60_000, "canCallKeepalive": True}])).status == 202
    assert (await api.post(f"{echo}/_kill", [4002, {"removeImmediately": True}])).status == 202
    assert (await api.get(echo)).status == 404


async def test_stop_answers_when_the_instance_has_stopped(echo, api):
    answer = await api.post(f"{echo}/_stop", {"timeout": 60_000})
    assert answer.status == 202
    assert answer.json["terminated"] == {"exitcode": 138, "reason": "Instance stopped"}
    assert (await api.post(f"{echo}/_stop")).json["status"] == "completed"  # not brought back to life


EVENTS = """
import asyncio
async def run(context, input):
    context.on("ping", lambda message: context.emit("pong", message))
    await asyncio.Event().wait()
"""


async def test_events(api, package):
    instance = await api.start(await api.send(package(EVENTS)))

    async def ping(message):
        answer = await api.post(f"{instance}/_event", [5001, {"eventName": "ping", "message": message}])
        assert (answer.status, answer.json) == (200, {"accepted": "OK"})

    async with api.session.get(f"{api.url}{instance}/events/pong") as stream:
        once = asyncio.ensure_future(api.get(f"{instance}/once/pong"))
        last = asyncio.ensure_future(api.get(f"{instance}/event/pong"))
        await until(lambda: len(_waiters(api, instance)) == 2)
        await ping({"n": 1})
        assert (await once).json == {"n": 1} == (await last).json
        await ping(0)  # a falsy message is a message
        assert json.loads(await stream.content.readline()) == {"n": 1}
        assert json.loads(await stream.content.readline()) == 0
    assert (await api.get(f"{instance}/event/pong")).json == 0


def _waiters(api, instance):
    return [waiter for waiters in api.instance(instance).events._waiters.values() for waiter in waiters]


async def test_waiters_for_events_end_with_the_instance(api, package):
    instance = await api.start(await api.send(package(EVENTS)))
    once = asyncio.ensure_future(api.get(f"{instance}/once/never"))
    async with api.session.get(f"{api.url}{instance}/events/never") as stream:
        await until(lambda: _waiters(api, instance))
        await api.post(f"{instance}/_kill")
        assert await stream.read() == b""
    answer = await once
    assert answer.status == 404
    assert "never" in answer.json["error"]
    assert (await api.post(f"{instance}/_event", [5001, {"eventName": "x"}])).status == 409


async def no_runner(order, on_exit):
    raise OSError(2, "No such file or directory")


async def test_a_sequence_has_its_instances_until_they_are_gone_and_only_those_that_run_count(
    tmp_path, package, api_of
):
    async with serve(data_dir=tmp_path, max_instances=2) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        first, second = [await api.send(package(source)) for source in (ECHO, "def run(context, input): return None")]

        async def told():
            listed = {each["id"]: each["instances"] for each in (await api.get("/sequences")).json}
            assert [*listed.values()] == [(await api.get(f"/sequence/{each}/instances")).json for each in listed]
            return [[*map("/instance/{}".format, listed[each])] for each in (first, second)]

        runs, ended = await api.start(first), await api.start(second)
        await api.ended(ended)
        assert await told() == [[runs], [ended]]

        launch, hub.runtime.launch = hub.runtime.launch, no_runner
        assert (await api.post(f"/sequence/{first}/start")).status == 500
        hub.runtime.launch = launch
        also = await api.start(first)
        assert await told() == [[runs, also], [ended]]
        assert (await api.post(f"/sequence/{second}/start")).status == 419

        for each in (runs, ended):
            await api.post(f"{each}/_kill", {"removeImmediately": True})
            await api.answers(each, 404)
        assert await told() == [[also], []]
        assert (await api.call("DELETE", f"/sequence/{second}")).status == 200
        assert (await api.call("DELETE", f"/sequence/{first}")).status == 409
        await api.start(first)
