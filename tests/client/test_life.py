"""Waiting for what becomes of an Instance, and starting it anew."""

import asyncio
import contextlib

import pytest
from aiohttp import web
from faulty import client_tasks, serving

from transform_hub import errors
from transform_hub.client import HostClient
from transform_hub.models import InstanceInfo, Terminated

ECHO = "def run(context, input, *args): return input"
FAIL = "def run(context, input):\n    raise KeyError('x')\n"
INFO = {"id": "x", "sequence": {"id": "s", "config": {}}, "status": "running"}


def ended(code, reason="done", status="completed"):
    return {**INFO, "status": status, "terminated": {"exitcode": code, "reason": reason}}


@pytest.fixture
def start(client, package):
    async def starting(source=ECHO, **options):
        return await (await client.send_sequence(package(source))).start(**options)

    return starting


@contextlib.asynccontextmanager
async def telling(*answers):
    """A client whose Instance x is one thing after the other; None is that it is not there."""
    waiting = list(answers)

    async def info(request):
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return web.json_response(answer or {"error": "Instance x not found"}, status=200 if answer else 404)

    async def events(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()

    routes = [("GET", "/instance/x", info), ("GET", "/instance/x/events/{name}", events)]
    async with serving(*routes) as server, HostClient(server.url) as host:
        host.server = server
        yield host


async def test_an_instance_that_ends(start):
    instance = await start()
    waiting = asyncio.ensure_future(instance.wait())
    await instance.send_input("")
    assert await waiting == Terminated(exitcode=0, reason="Instance completed")
    assert await instance.wait() == await waiting


async def test_an_instance_that_fails_or_is_killed(start):
    assert (await (await start(FAIL)).wait()).exitcode == 23
    instance = await start()
    waiting = asyncio.ensure_future(instance.wait(timeout=30))
    await instance.kill()
    assert (await waiting).exitcode == 137


async def test_many_may_wait(start):
    instance = await start()
    waiting = [asyncio.ensure_future(instance.wait()) for _ in range(20)]
    await instance.kill()
    assert {end.exitcode for end in await asyncio.gather(*waiting)} == {137}


async def test_the_time_to_wait(start):
    instance = await start()
    with pytest.raises(errors.InstanceTimeoutError, match=rf"{instance.id} did not end within 0\.05 s") as raised:
        await instance.wait(timeout=0.05)
    assert isinstance(raised.value, TimeoutError)
    assert raised.value.id == instance.id
    assert (await instance.get_info()).status == "running"


async def test_it_is_told_at_once_by_a_stream_that_ends_with_the_instance(start, monkeypatch):
    monkeypatch.setattr("transform_hub.client.waiting.FIRST_PAUSE", 3600.0)
    monkeypatch.setattr("transform_hub.client.waiting.LONGEST_PAUSE", 3600.0)
    instance = await start()
    waiting = asyncio.ensure_future(instance.wait())
    done, _ = await asyncio.wait({waiting}, timeout=0.2)
    assert not done
    monkeypatch.setattr("transform_hub.client.waiting.FIRST_PAUSE", 0.01)
    await instance.kill()
    assert (await waiting).exitcode == 137


async def test_a_hub_that_is_asked_again_and_again():
    async with telling(INFO, INFO, INFO, {**INFO, "status": "stopping"}, ended(138, "Instance stopped")) as host:
        assert await host.instance("x").wait() == Terminated(exitcode=138, reason="Instance stopped")
        assert len([request for request in host.server.requests if request.path.endswith("/x")]) == 5


async def test_success_as_sth_tells_it():
    async with telling(ended(-1, "Instance completed")) as host:
        assert await host.instance("x").wait() == Terminated(exitcode=0, reason="Instance completed")
        assert (await host.instance("x").get_info()).terminated.exitcode == -1
    async with telling(ended(-1, "lost", status="errored")) as host:
        assert (await host.instance("x").wait()).exitcode == -1


async def test_an_instance_that_is_forgotten_before_its_end_is_known():
    async with telling(INFO, INFO, None) as host:
        with pytest.raises(errors.InstanceGoneError, match="forgot Instance x before it told") as raised:
            await host.instance("x").wait()
    assert isinstance(raised.value, errors.NotFoundError)
    assert "keep ended Instances longer" in str(raised.value)


async def test_an_instance_that_never_was():
    async with telling(None) as host:
        for call in (host.instance("x").wait, host.instance("x").wait_running, host.instance("x").restart):
            with pytest.raises(errors.NotFoundError) as raised:
                await call()
            assert type(raised.value) is errors.NotFoundError


async def test_an_end_without_an_exit_code():
    async with telling({**INFO, "status": "gone"}) as host:
        with pytest.raises(errors.InstanceGoneError, match="x is gone, and the Hub has no exit code"):
            await host.instance("x").wait()


async def test_waiting_until_it_runs(start):
    instance = await start()
    info = await instance.wait_running()
    assert (info.id, info.status) == (instance.id, "running")
    await instance.kill()
    await instance.wait()
    with pytest.raises(errors.InstanceEndedError) as raised:
        await instance.wait_running()
    assert raised.value.exit_code == 137
    async with telling({**INFO, "status": "initializing"}, {**INFO, "status": "starting"}, INFO) as host:
        assert isinstance(await host.instance("x").wait_running(), InstanceInfo)
    async with telling({**INFO, "status": "starting"}) as host:
        with pytest.raises(errors.InstanceTimeoutError, match=r"x does not run within 0\.05 s"):
            await host.instance("x").wait_running(timeout=0.05)


async def test_a_hub_that_goes_away_while_it_is_waited_for():
    async def info(request):
        if len(server.of("/instance/x")) > 2:
            request.transport.abort()
        return web.json_response(INFO)

    async with serving(("GET", "/instance/x", info)) as server, HostClient(server.url) as host:
        with pytest.raises(errors.HubConnectionError):
            await host.instance("x").wait()


async def test_cancelling_leaves_nothing_behind(start):
    instance = await start()
    waiting = asyncio.ensure_future(instance.wait())
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert client_tasks() == set()


async def test_restart(start):
    instance = await start(args=["a", 1], app_config={"b": 2})
    before = await instance.get_info()
    again = await instance.restart()
    assert again == instance
    after = await again.wait_running()
    assert (after.args, after.app_config) == (["a", 1], {"b": 2})
    assert after.sequence.id == before.sequence.id
    assert after.started != before.started
    await again.kill()
    await again.wait()
    assert (await (await again.restart()).wait_running()).args == ["a", 1]


async def test_restart_keeps_topics(client, package):
    source = 'requires = {"requires": "a", "contentType": "text/plain"}\n' + ECHO
    instance = await (await client.send_sequence(package(source))).start(input_topic="mine")
    assert (await instance.get_info()).requires == "mine"
    again = await instance.restart()
    assert (await again.wait_running()).requires == "mine"


async def test_restart_of_what_is_not_forgotten():
    async def kill(request):
        return web.json_response({"error": "Instance not running"}, status=400)

    routes = [("GET", "/instance/x", ended(0)), ("POST", "/instance/x/_kill", kill)]
    async with serving(*routes) as server, HostClient(server.url) as host:
        with pytest.raises(errors.InstanceTimeoutError, match="was not forgotten"):
            await host.instance("x").restart(timeout=0.05)


async def test_monitoring_rate(start):
    instance = await start()
    await instance.set_monitoring_rate(20)
    with pytest.raises(errors.HubResponseError):
        await instance.set_monitoring_rate("often")


async def test_a_reason_is_told_once():
    killed = {**ended(137, "Runner killed", status="errored"), "error": "Runner killed"}
    async with telling(killed) as host:
        with pytest.raises(errors.InstanceEndedError, match="with exit code 137: Runner killed \\(GET"):
            await host.instance("x").wait_running()
