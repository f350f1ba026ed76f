"""The shapes of answers: fields that a newer Hub adds never break a client, those that it leaves out seldom."""

import msgspec
import pytest
from faulty import serving

from transform_hub import errors, models
from transform_hub.client import HostClient
from transform_hub.models import ApiSettings

MORE = {"unheardOf": {"deep": [1]}, "another": None}
SEQUENCE = {"id": "s", "config": {"type": "docker", "container": {"image": "x"}, **MORE}, **MORE}
INSTANCE = {
    "id": "i", "sequence": SEQUENCE, "status": "running", "created": None, "ports": {"tcp": 1},
    "appConfig": {"a": 1}, "provides": "", "requires": "t", **MORE,
}  # fmt: skip

ANSWERS = {
    ("GET", "/version"): {"service": "s", "apiVersion": "v1", "version": "9", "build": "b", **MORE},
    ("GET", "/status"): {"cpm": {"connected": True, "cpmId": "m", **MORE}, **MORE},
    ("GET", "/load-check"): {
        "avgLoad": 1, "currentLoad": 2.5, "memFree": 3, "memUsed": 4,
        "fsSize": [{"fs": "/", "available": -5, "size": 6, "used": 7, "use": 0.5, **MORE}], **MORE,
    },
    ("GET", "/config"): {"port": "8000", **MORE},
    ("GET", "/sequences"): [SEQUENCE],
    ("GET", "/instances"): [INSTANCE],
    ("GET", "/entities"): {"sequences": [SEQUENCE], "instances": [INSTANCE], "topics": ["t"], **MORE},
    ("GET", "/topics"): [{"contentType": "text/plain", "localProvider": "", "topic": "t", "topicName": "t", **MORE}],
    ("GET", "/sequence/s"): SEQUENCE,
    ("GET", "/sequence/s/instances"): ["i"],
    ("POST", "/sequence/s/start"): {"id": "i", "message": "starting", **MORE},
    ("DELETE", "/sequence/s"): {"id": "s", **MORE},
    ("GET", "/instance/i"): INSTANCE,
    ("GET", "/instance/i/health"): {"healthy": True, "processId": 1, **MORE},
    ("POST", "/instance/i/_kill"): INSTANCE,
    ("POST", "/instance/i/_stop"): INSTANCE,
    ("POST", "/instance/i/_event"): {"accepted": "OK", **MORE},
    ("POST", "/instance/i/_monitoring_rate"): {"accepted": True, **MORE},
    ("POST", "/topics"): {"id": "t", "origin": {"id": "h"}, "state": "flowing", "contentType": "text/plain", **MORE},
    ("DELETE", "/topics/t"): {"message": "Topic t removed", **MORE},
}  # fmt: skip

SENT = {"InstanceLimits", "SecretFile"}
"""What clients send, and a Hub is strict about."""


@pytest.fixture
async def host():
    routes = [(method, path, value) for (method, path), value in ANSWERS.items()]
    async with serving(*routes) as server, HostClient(server.url) as client:
        client.server = server
        yield client


async def test_fields_that_nobody_knows_are_ignored(host):
    sequence, instance, topic = host.sequence("s"), host.instance("i"), host.topic("t")
    assert (await host.get_version()).version == "9"
    assert (await host.get_status()).cpm.cpm_id == "m"
    assert (await host.get_load_check()).fs_size[0].available == -5
    assert (await host.get_config()).answer["port"] == "8000"
    assert [found.id for found in await host.list_sequences()] == ["s"]
    assert [found.id for found in await host.list_instances()] == ["i"]
    assert (await host.list_entities()).instances[0].sequence.config.type == "docker"
    assert (await host.list_topics())[0].topic_name == "t"
    assert (await sequence.get_info()).id == "s"
    assert await sequence.list_instances() == ["i"]
    assert (await sequence.start()).id == "i"
    assert (await instance.get_info()).requires == "t"
    assert (await instance.get_health()).answer["unheardOf"] == {"deep": [1]}
    assert (await instance.kill()).ports == {"tcp": 1}
    assert (await instance.stop()).app_config == {"a": 1}
    await instance.send_event("e")
    await instance.set_monitoring_rate(1)
    await host.create_topic("t")
    await topic.delete()
    await sequence.delete()
    asked = {(request.method, request.path.removeprefix("/api/v1")) for request in host.server.requests}
    assert asked == set(ANSWERS)


def test_no_shape_forbids_fields():
    for name in models.__all__:
        shape = getattr(models, name)
        if name in SENT or not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
            continue
        assert not shape.__struct_config__.forbid_unknown_fields, name
        assert shape.__doc__, name


async def test_words_that_only_a_newer_hub_knows():
    waking = {**INSTANCE, "status": "waking"}
    record = {"opState": "PAUSE", "opCode": 1, "requestorId": "r", "receivedAt": 2}
    routes = [("GET", "/instances", [waking]), ("GET", "/audit", record)]
    async with serving(*routes) as server, HostClient(server.url) as host:
        (info,) = await host.list_instances()
        assert (info.status, info.is_ended) == ("waking", False)
        assert [each.op_state async for each in host.get_audit().json(models.AuditRecord)] == ["PAUSE"]


async def test_an_ended_instance_that_sth_calls_stopping_has_ended():
    stopping = {**INSTANCE, "status": "stopping", "terminated": {"exitcode": -1, "reason": "Instance completed"}}
    async with serving(("GET", "/instance/i", stopping)) as server, HostClient(server.url) as host:
        assert await host.instance("i").wait(timeout=5) == models.Terminated(exitcode=0, reason="Instance completed")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"healthy": True, "processId": 7, "queue": [1]}, models.InstanceHealth(healthy=True, process_id=7)),
        (
            {"healthy": True, "containerId": "c", "memoryUsage": 1},
            models.InstanceHealth(healthy=True, container_id="c"),
        ),
        (
            {"healthy": False, "traffic": {"input": 5, "later": 6}},
            models.InstanceHealth(healthy=False, traffic=models.Traffic(input=5)),
        ),
        ({"traffic": "heavy", "processId": "none", "containerId": 5}, models.InstanceHealth(healthy=False)),
        ({}, models.InstanceHealth(healthy=False)),
    ],
)
async def test_health_whatever_a_sequence_says(answer, told):
    async with serving(("GET", "/instance/i/health", answer)) as server, HostClient(server.url) as host:
        assert await host.instance("i").get_health() == msgspec.structs.replace(told, answer=answer)


async def test_an_answer_that_lacks_what_it_can_not_lack():
    async with serving(("GET", "/instance/i", {"id": "i"})) as server, HostClient(server.url) as host:
        with pytest.raises(errors.HubResponseError, match="missing required field `sequence`"):
            await host.instance("i").get_info()


async def test_settings_that_are_not_what_they_should_be_are_harmless():
    answer = {
        "logLevel": "INFO",
        "tags": "none",
        "safeOperationLimit": "512",
        "host": {"port": "19200", "apiBase": 5, "federationControl": False},
        "timings": [],
        "instanceRequirements": {"freeMem": None, "cpuLoad": 10},
    }
    async with serving(("GET", "/config", answer)) as server, HostClient(server.url) as host:
        settings = await host.get_config()
    assert settings.host == ApiSettings(port=19200)
    assert (settings.log_level, settings.tags, settings.safe_operation_limit) == ("INFO", [], 512)
    assert (settings.instance_requirements.cpu_load, settings.instance_requirements.free_mem) == (10, None)
    assert settings.answer == answer
