"""Instances: what they tell, and their ends."""

import asyncio
import contextlib

import msgspec
import pytest

from transform_hub.errors import HubResponseError, HubTimeoutError, InstanceFailedError, NotFoundError


@pytest.mark.beyond("instance info")
async def test_info(start, host):
    instance = await start("events", args=[1, "two"], app_config={"x": [3]})
    info = await instance.get_info()
    assert (info.id, info.status, info.args, info.app_config) == (instance.id, "running", [1, "two"], {"x": [3]})
    assert info.sequence.config.name == "events"
    assert instance.id in [found.id for found in await host.list_instances()]


async def test_health(start):
    instance = await start("health")
    assert (await instance.get_health()).healthy is True
    for event, healthy in (("fail", False), ("recover", True)):
        while (await instance.get_health()).healthy != healthy:
            await instance.send_event(event)  # not once: a start is answered before the Sequence listens
            await asyncio.sleep(0.05)


@pytest.mark.beyond("kill answer")
async def test_kill(start):
    instance = await start("events")
    assert (await instance.kill()).id == instance.id
    assert (await instance.wait(timeout=20)).exitcode == 137
    assert (await instance.get_info()).status == "completed"


@pytest.mark.beyond("stop")
async def test_stop(start):
    instance = await start("stop")
    await instance.stop(timeout=5)
    assert await instance.get_stdout().read() == b"finished\n"


@pytest.mark.beyond("stop")
async def test_keep_alive(start):
    instance = await start("stop")
    await instance.stop(timeout=0.5, can_keep_alive=True)
    assert not (await instance.get_info()).is_ended
    await instance.stop(timeout=5, can_keep_alive=True)
    assert (await instance.get_info()).is_ended


@pytest.mark.beyond("instance info")
async def test_an_exception(start):
    instance = await start("exception")
    await instance.send_input("1\n-2\n", content_type="application/x-ndjson")
    assert [value async for value in instance.get_output().json()] == [1]
    assert (await instance.wait(timeout=20)).exitcode == 23
    assert (await instance.get_info()).status == "errored"


@pytest.mark.beyond("instance info")
async def test_running_to_the_end(host, target):
    done = await host.run(
        target.example("map"), args=[1], input='{"price": 2}\n', content_type="application/x-ndjson", timeout=20
    )
    assert msgspec.json.decode(done.output) == {"price": 2, "gross": 4}
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.beyond("instance info")
async def test_running_what_fails(host, target):
    done = await host.run(target.example("exception"), input="-5\n", content_type="application/x-ndjson", timeout=20)
    assert (done.returncode, done.output) == (23, b"")
    with pytest.raises(InstanceFailedError, match="-5 is negative"):
        done.check_returncode()


async def test_an_instance_that_was_killed_is_gone(start):
    instance = await start("events")
    with contextlib.suppress(HubResponseError):  # 0.18.7 obeys, with an answer of another shape
        await instance.kill(remove_immediately=True)
    with pytest.raises(NotFoundError):
        while True:
            with contextlib.suppress(HubTimeoutError):  # 0.18.7 never answers what it is asked just then
                await instance.get_health()
            await asyncio.sleep(0.05)
