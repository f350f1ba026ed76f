"""Code written for either generation of the published package."""

import asyncio
import json

import aiohttp
import pytest

from client.host_client import HostClient
from client.instance_client import InstanceClient
from client.sequence_client import SequenceClient
from client_utils.base_client import BaseClient
from client_utils.client_utils import ClientUtils
from transform_hub import errors
from transform_hub.hub.server import serve
from until import until

ECHO = "def run(context, input, *args): return input"


@pytest.fixture(autouse=True)
def no_headers():
    yield
    BaseClient.setDefaultHeaders({})


@pytest.fixture
def archive(package, tmp_path):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(package(ECHO))
    return str(path)


async def test_code_of_the_first_generation(hub, archive):
    ClientUtils.setDefaultHeaders({"Authorization": "Bearer x"})
    host = HostClient(hub.url)
    seq_id = await host.send_sequence(archive)
    seq_id = json.loads(seq_id)
    seq_client = SequenceClient(seq_id["id"], host)
    inst_id = await seq_client.start()
    inst_id = json.loads(inst_id)
    assert inst_id["message"].endswith("starting")
    info = await InstanceClient(inst_id["id"], host).get_info()
    assert info["id"] == inst_id["id"]
    assert info["sequence"]["id"] == seq_id["id"]
    assert info["status"] == "running"


@pytest.mark.parametrize("awaited", [True, False])
async def test_code_of_the_second_generation(hub, archive, awaited):
    host = HostClient(hub.url)
    data = await host.load_sequence(archive) if awaited else host.load_sequence(archive)
    sequence = await host.send_sequence(data, app_config={"a": 1})
    assert isinstance(sequence, SequenceClient)
    assert (await sequence.get_info())["config"]["name"] == "test"
    instance = await sequence.start()
    assert isinstance(instance, InstanceClient)
    assert (await instance.get_info())["appConfig"] == {"a": 1}
    assert await sequence.list_instances() == [instance.id]
    assert sequence.get_instance(instance.id, host).id == instance.id
    assert (await sequence.get_instance(instance.id, host)).id == instance.id
    assert (await instance.get_health())["healthy"] is True
    assert await instance.send_event("name", {"x": 1}) == {"accepted": "OK"}
    await instance.send_input("zwölf\n", {"content_type": "text/plain", "end": "true"})
    assert (await instance.get_output().read()).decode() == "zwölf\n"
    killed = await (await sequence.start()).kill()
    assert killed["sequence"]["id"] == sequence.id
    assert (await host.get_sequence_info(sequence.id))["id"] == sequence.id
    assert {item["id"] for item in await host.list_instances()} >= {instance.id}
    assert [item["id"] for item in await host.list_sequences()] == [sequence.id]
    assert [item["id"] for item in (await host.list_entities())["sequences"]] == [sequence.id]
    assert (await host.get_version())["apiVersion"] == "v1"
    assert (await host.get_load_check())["memFree"] > 0
    assert isinstance(await host.get_config(), dict)
    assert (await host.get_instance_info(instance.id))["id"] == instance.id


async def test_stop_and_delete(hub, archive):
    host = HostClient(hub.url)
    sequence = await host.send_sequence(archive)
    instance = await sequence.start()
    assert (await instance.stop(timeout=0, can_keep_alive=False))["id"] == instance.id
    await until(lambda: is_ended(instance))
    assert await host.delete_sequence(sequence.id) == {"id": sequence.id}
    with pytest.raises(errors.NotFoundError):
        await sequence.get_info()


async def test_named_data(hub):
    host = HostClient(hub.url)
    reader = await host.get_named_data("people")
    await host.send_named_data("people", '{"a": 1}\n', "application/x-ndjson", end=True)
    async for value in reader.json():
        assert value == {"a": 1}
        break


async def is_ended(instance):
    return (await instance.get_info())["status"] in ("completed", "errored")


async def test_events(hub, package):
    host = HostClient(hub.url)
    source = """
        async def run(context, input):
            async for line in input:
                context.emit("seen", line)
                yield line
    """
    instance = await (await host.send_sequence(package(source))).start()
    stream = await instance.get_event_stream("seen")
    coming = asyncio.ensure_future(instance.get_next_event("seen"))
    await until(lambda: hub.instances[instance.id].events._waiters)
    await instance.send_input("1\n", {"contentType": "text/plain", "end": False})
    assert await coming == "1\n"
    assert await anext(stream.json()) == "1\n"
    log = await host.get_log_stream()
    assert await anext(aiter(log))


async def test_what_comes_back_is_json_and_client(hub, archive):
    sequence = await HostClient(hub.url).send_sequence(archive)
    assert json.loads(sequence) == {"id": sequence.id}
    assert sequence == json.dumps({"id": sequence.id}, separators=(",", ":"))
    assert str(sequence) == sequence
    assert f"{sequence}".startswith('{"id":')
    assert json.loads(SequenceClient("x", sequence.host)) == {"id": "x"}


@pytest.mark.parametrize("way", [ClientUtils, BaseClient, HostClient])
async def test_default_headers_reach_clients_that_exist(way):
    async with serve(port=0, token="s3cret") as hub:
        host = HostClient(hub.url)
        with pytest.raises(errors.AuthenticationError) as raised:
            await host.get_version()
        way.setDefaultHeaders({"Authorization": "Bearer s3cret"})
        assert (await host.get_version())["apiVersion"] == "v1"
        assert ClientUtils.headers == BaseClient.headers == {"Authorization": "Bearer s3cret"}
        with pytest.raises(errors.NotFoundError) as raised:
            await host.get_sequence_info("x")
        shown = f"{host!r} {host.native!r} {SequenceClient('x', host)!r} {raised.value!r}"
        assert "s3cret" not in shown


def test_several_event_loops(archive, nobody):
    async def main():
        async with serve(port=int(nobody.split(":")[2].split("/")[0])):
            sequence = await host.send_sequence(archive)
            await sequence.start()
            assert len(await host.list_instances()) == 1

    host = HostClient(nobody)
    for _ in range(2):
        asyncio.run(main())


async def test_an_own_connector(hub):
    async with aiohttp.TCPConnector() as connector:
        host = HostClient(hub.url, connector)
        assert (await host.get_version())["apiVersion"] == "v1"
        await host.close()
        assert not connector.closed
