"""Restart policies, seen from the client."""

import pytest

from transform_hub import errors
from transform_hub.models import RestartPolicy

FAILS_ON_ORDER = """
def run(context, input):
    async def each():
        async for line in input:
            if line.strip() == "fail": raise ValueError("as told")
            if line.strip() == "end": return
            yield line.encode()
    return each()
"""


@pytest.fixture
async def start(client, package):
    sequence = await client.send_sequence(package(FAILS_ON_ORDER))

    async def start(restart):
        return await sequence.start(restart=restart)

    return start


async def test_a_writer_is_told_and_can_go_on_with_another(start):
    instance = await start(RestartPolicy(policy="on-failure", delay=300, max_retries=3))
    output = await instance.get_output()
    writer = await instance.open_input("text/plain")
    await writer.write("one\n")
    await writer.write("fail\n")
    with pytest.raises(errors.InstanceRestartedError, match="the next one begins"):
        while True:
            await writer.write("lost\n")
    info = await instance.wait_running(timeout=20)
    assert (info.restarts, info.next_restart) == (1, None)
    assert info.restart_policy == RestartPolicy(policy="on-failure", delay=300, max_retries=3)
    await instance.send_input("two\nend\n")
    assert await output.read() == b"one\ntwo\n"
    assert (await instance.wait(timeout=20)).exitcode == 0


async def test_wait_goes_on_over_restarts(start):
    instance = await start("on-failure:1")
    for number in range(2):
        while (await instance.wait_running(timeout=20)).restarts != number:
            pass
        await instance.send_input("fail\n", end=False)
    assert (await instance.wait(timeout=20)).exitcode == 23
    assert (await instance.get_info()).restarts == 1


async def test_an_instance_that_is_restarted_by_hand_keeps_its_policy(start):
    instance = await (await start("always:7")).restart(timeout=20)
    assert (await instance.get_info()).restart_policy == RestartPolicy(policy="always", max_retries=7)


async def test_a_policy_that_is_none(start):
    with pytest.raises(errors.BadRequestError, match="Invalid restart format: one of never"):
        await start("sometimes")
