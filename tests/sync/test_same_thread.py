"""A Hub in the event loop of the thread that uses a sync client: it could never answer."""

import asyncio

import pytest

from transform_hub.client import HostClient as AsyncHostClient
from transform_hub.errors import HubConnectionError
from transform_hub.hub.server import serve
from transform_hub.sync import HostClient

CALLS = {
    "call": lambda host: host.get_version(),
    "upload": lambda host: host.send_sequence(b"package"),
    "reader": lambda host: list(host.instance("i").get_output().lines()),
    "follower": lambda host: next(host.topic("t").get(follow=True).lines()),
    "writer": lambda host: host.topic("t").send([b"line\n"]),
    "run": lambda host: host.run(b"package"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_it_says_what_to_do_instead(call):
    async with serve() as own:
        with HostClient(own.url) as host, pytest.raises(RuntimeError, match="use the async HostClient here, or"):
            call(host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.3"])
async def test_by_every_name(host):
    async with serve(host="0.0.0.0", insecure=True) as own:
        with HostClient(f"http://{host}:{own.port}") as client, pytest.raises(RuntimeError, match="to_thread"):
            client.get_version()


async def test_what_it_advises_works(hub):
    async with serve() as own, AsyncHostClient(own.url) as native:
        with HostClient(own.url) as host:
            assert await native.get_version() == await asyncio.to_thread(host.get_version)
        assert hub.client.get_version().api_version == "v1"  # another thread's
        with pytest.raises(HubConnectionError), HostClient(f"http://127.0.0.2:{own.port}") as other:
            other.get_version()


async def test_a_hub_that_has_ended_is_as_any_other():
    async with serve() as own:
        url = own.url
    with pytest.raises(HubConnectionError), HostClient(url) as host:
        host.get_version()


def test_a_loop_that_does_not_run_any_more_answers_nothing_either():
    loop = asyncio.new_event_loop()
    hub = serve()
    own = loop.run_until_complete(hub.__aenter__())
    try:
        with HostClient(own.url) as host, pytest.raises(RuntimeError, match="to_thread"):
            host.get_version()
    finally:
        loop.run_until_complete(hub.__aexit__(None, None, None))
        loop.close()
