"""What a Hub tells about itself, and what it says to requests it can't serve."""

import uuid

import pytest

from transform_hub.client import HostClient
from transform_hub.errors import HubConnectionError, NotFoundError


async def test_version(host):
    assert (await host.get_version()).version[0].isdigit()


async def test_load(host):
    load = await host.get_load_check()
    assert load.mem_free > 0
    assert load.fs_size[0].size > load.fs_size[0].used > 0


@pytest.mark.beyond("status")
async def test_status(host):
    assert (await host.get_status()).cpm.connected is None


@pytest.mark.beyond("config")
async def test_config(host):
    assert (await host.get_config()).host.api_base == "/api/v1"


@pytest.mark.beyond("entities")
async def test_entities(host, target):
    sequence = await host.send_sequence(target.example("map"))
    assert sequence.id in [found.id for found in (await host.list_entities()).sequences]


async def test_log_opens(host):
    async with host.get_log():
        pass


NOTHING = str(uuid.uuid4())
MISSING = {
    "sequence": lambda host: host.get_sequence_info(NOTHING),
    "instance": lambda host: host.get_instance_info(NOTHING),
    "delete": lambda host: host.delete_sequence(NOTHING),
    "start": lambda host: host.sequence(NOTHING).start(),
    "health": lambda host: host.instance(NOTHING).get_health(),
    "kill": lambda host: host.instance(NOTHING).kill(),
    "stop": lambda host: host.instance(NOTHING).stop(),
    "event": lambda host: host.instance(NOTHING).get_event("x"),
    "input": lambda host: host.instance(NOTHING).send_input("x"),
    "output": lambda host: host.instance(NOTHING).get_output().read(),
}


@pytest.mark.parametrize("call", MISSING.values(), ids=MISSING)
async def test_what_is_not_there(host, call):
    with pytest.raises(NotFoundError):
        await call(host)


@pytest.mark.beyond("instances of nothing")
async def test_instances_of_a_sequence_that_is_not_there(host):
    with pytest.raises(NotFoundError):
        await host.sequence(NOTHING).list_instances()


async def test_a_hub_that_is_not_there():
    async with HostClient("http://127.0.0.1:9/api/v1", timeout=0.2) as nobody:
        with pytest.raises(HubConnectionError):
            await nobody.get_version()


async def test_the_connection_serves_one_call_after_another(host):
    for _ in range(20):
        await host.list_sequences()
        with pytest.raises(NotFoundError):
            await host.get_sequence_info("nothing")
