"""Clients of Manager, MultiManager and Middleware, and of the Hubs behind them, which are real."""

import asyncio
import gc
import json

import msgspec
import pytest
from aiohttp import web
from faulty import serving
from recorded_manager import Hub
from recorded_platform import TOKEN

from transform_hub import errors
from transform_hub.client import (
    HostClient,
    ManagerClient,
    MiddlewareClient,
    MultiManagerClient,
    Reader,
)
from transform_hub.models import AccessKey, DisconnectedHub, HubInfo, LoadCheck, SpaceInfo, StoreItem

ECHO = "def run(context, input, *args): return input"


@pytest.fixture
async def middleware(platform):
    async with MiddlewareClient(platform.url, token=TOKEN) as client:
        yield client


@pytest.fixture
def manager(middleware):
    return middleware.manager("space")


@pytest.fixture
def recorded(platform):
    return platform.managers["space"]


# From the platform down to an Instance


async def test_from_the_middleware_to_an_instance(middleware, manager, package, platform):
    assert await middleware.list_spaces() == [SpaceInfo(id="space")]
    host = manager.host("sth-0")
    assert host.url == f"{platform.url}/space/space/api/v1/sth/sth-0/api/v1"
    sequence = await host.send_sequence(package(ECHO))
    instance = await sequence.start(app_config={"a": 1})
    async with instance.open_input("text/plain") as writer, instance.get_output() as output:
        lines = output.lines()
        for line in ("zwölf", "boxers"):
            await writer.write(f"{line}\n")
            assert await anext(lines) == line
    (seen,) = await manager.list_instances()
    assert (seen.id, seen.hub_id, seen.location, seen.sequence_id) == (instance.id, "sth-0", "sth-0", sequence.id)
    assert seen.app_config == {"a": 1}
    assert await manager.list_sequences() == [sequence.id]
    (there,) = await manager.list_all_sequences()
    assert (there.id, there.location, there.config.entrypoint_path) == (sequence.id, "sth-0", "main.py")
    (of_hub,) = await manager.list_hosts()
    assert (of_hub.sequences, of_hub.instances) == ([sequence.id], [instance.id])
    entities = await manager.list_entities()
    assert (entities.hubs, entities.sequences, entities.instances) == (["sth-0"], [sequence.id], [instance.id])
    assert (await instance.wait(timeout=20)).exitcode == 0


async def test_errors_of_a_hub_come_through(manager):
    with pytest.raises(errors.NotFoundError, match="Instance nope not found") as raised:
        await manager.host("sth-0").instance("nope").get_info()
    assert raised.value.url.endswith("/space/space/api/v1/sth/sth-0/api/v1/instance/nope")
    with pytest.raises(errors.UnprocessableError):
        await manager.host("sth-0").send_sequence(b"\x1f\x8b nothing")


async def test_a_hub_that_is_not_there(manager, recorded):
    recorded.hubs["lost"] = Hub()
    with pytest.raises(errors.NotFoundError):
        await manager.host("unknown").get_version()
    with pytest.raises(errors.OverloadedError) as raised:
        await manager.host("lost").list_instances()
    assert raised.value.status == 503


async def test_input_and_output_in_one_request_is_not_possible_behind_a_manager(manager, package):
    host = manager.host("sth-0")
    instance = await (await host.send_sequence(package(ECHO))).start()
    with pytest.raises(errors.ServerError, match="unsupported-bidirectional") as raised:
        await instance.inout("text/plain").read()
    assert raised.value.status == 501


async def test_a_large_stream_both_ways_through_the_manager(manager, package):
    source = 'provides = {"contentType": "application/octet-stream"}\n' + ECHO
    instance = await (await manager.host("sth-0").send_sequence(package(source))).start()
    data = bytes(range(256)) * 4096 * 8
    sending = asyncio.ensure_future(instance.send_input(data, content_type="application/octet-stream"))
    assert await instance.get_output().read() == data
    await sending


# One pool, token and set of deadlines


async def test_all_clients_below_share_connections_and_token(platform, middleware):
    for _ in range(3):
        await middleware.list_spaces()
        manager = middleware.manager("space")
        await manager.list_hosts()
        await manager.host("sth-0").get_version()
        async with manager.host("sth-0") as host:  # closing it closes nothing of the others
            await host.list_instances()
    assert len(platform.connections) == 1


async def test_deadlines_are_those_of_the_client_above(platform):
    async with MiddlewareClient(platform.url, token=TOKEN, timeout=7, idle_timeout=8) as middleware:
        transport = middleware.manager("space").host("sth-0").transport
        assert (transport.timeout, transport.idle_timeout) == (7, 8)


async def test_clients_outlive_the_one_they_came_from(platform):
    host = MiddlewareClient(platform.url, token=TOKEN).manager("space").host("sth-0")
    gc.collect()
    assert (await host.get_version()).api_version == "v1"
    gc.collect()
    assert (await host.get_version()).api_version == "v1"
    assert len(platform.connections) == 1


async def test_a_fresh_token_is_asked_for_once_for_clients_below(platform):
    given = iter(["stale", TOKEN])
    async with MiddlewareClient(platform.url, token=lambda: next(given)) as middleware:
        assert (await middleware.manager("space").host("sth-0").get_version()).api_version == "v1"


async def test_no_token_is_shown_by_clients_below(platform, middleware):
    async with MiddlewareClient(platform.url.replace("//", f"//user:{TOKEN}@")) as client:
        shown = f"{client!r} {client.manager('x')!r} {client.manager('x').host('y')!r}"
        with pytest.raises(errors.AuthenticationError) as raised:
            await client.manager("space").host("sth-0").get_version()
    assert TOKEN not in shown + repr(raised.value) + str(raised.value)
    assert "user" not in shown


@pytest.mark.parametrize("hub_id", ["", "..", "."])
def test_ids_that_lead_elsewhere_are_refused(hub_id):
    manager = ManagerClient("http://127.0.0.1:1/api/v1")
    with pytest.raises(ValueError, match="Hub id"):
        manager.host(hub_id)


async def test_ids_are_quoted(platform, manager):
    with pytest.raises(errors.NotFoundError):
        await manager.host("a/b c").get_version()
    assert platform.requests[-1][1] == "/api/v1/space/space/api/v1/sth/a%2Fb%20c/api/v1/version"


# Manager


async def test_what_a_manager_tells_of_itself(manager):
    assert (await manager.get_version()).service == "@scramjet/manager"
    assert (await manager.get_config())["id"] == "space"
    assert (await manager.get_health()).modules == {"sthServer": True}
    load = await manager.get_load()
    assert (load.current_load, load.fs_size[0].available) == (1.5, 5)
    assert [each async for each in manager.get_load_stream().json(LoadCheck)] == [load, load]


async def test_log_and_audit(manager):
    async with manager.get_log() as log:
        lines = log.lines()
        assert [await anext(lines), await anext(lines)] == ['{"msg":"past"}', 'sth-0: {"msg":"of a hub"}']
    (record,) = [each async for each in manager.get_audit().json()]
    assert record["opCode"] == 13020


async def test_hub_records(manager, recorded):
    recorded.hubs["mine"] = Hub(access_key="k", description="a box", tags=["gpu"], disconnectReason="id_drop")
    mine = await manager.get_host_info("mine")
    assert (mine.description, mine.tags, mine.self_hosted, mine.disconnect_reason) == (
        "a box",
        ["gpu"],
        True,
        "id_drop",
    )
    assert mine.info.created == "2024-01-01T00:00:00.000Z"
    native = await manager.get_host_info("sth-0")
    assert (native.healthy, native.is_connection_active, native.self_hosted) == (True, True, False)
    with pytest.raises(errors.NotFoundError) as raised:  # the Manager says "500", and 404 in the text
        await manager.get_host_info("nope")
    assert raised.value.status == 404


@pytest.fixture
def crowd(recorded):
    """250 Hubs; their ids."""
    recorded.hubs = {f"hub-{number}": Hub() for number in range(250)}
    return list(recorded.hubs)


async def test_a_long_list_is_read_to_its_end(manager, crowd, platform):
    assert [each.id for each in await manager.list_hosts()] == crowd
    assert [each.id async for each in manager.list_hosts()] == crowd
    assert len(platform.requests) == 6


@pytest.mark.parametrize(("offset", "limit"), [(0, 1), (0, 100), (0, 101), (99, 3), (240, 100), (249, None), (300, 5)])
async def test_a_part_of_a_long_list(manager, crowd, offset, limit):
    found = [each.id async for each in manager.list_hosts(offset=offset, limit=limit)]
    assert found == crowd[offset:][:limit]


async def test_a_list_is_not_read_further_than_wanted(manager, crowd, platform):
    async for each in manager.list_hosts():
        if each.id == "hub-20":
            break
    assert len(platform.requests) == 1
    assert len(await manager.list_hosts(limit=100)) == 100
    assert len(platform.requests) == 2


@pytest.mark.parametrize("number", [3, 100, 250])
async def test_a_manager_that_does_not_page(manager, recorded, number, monkeypatch):
    recorded.hubs = {f"hub-{each}": Hub() for each in range(number)}
    monkeypatch.setattr("recorded_manager.page", lambda request, items: web.json_response(items))
    assert [each.id for each in await manager.list_hosts()] == list(recorded.hubs)
    assert [each.id for each in await manager.list_hosts(offset=1, limit=2)][-1:]


@pytest.mark.parametrize(("offset", "limit"), [(-1, None), (0, 0), (0, -1)])
async def test_what_a_manager_would_ignore_without_a_word_is_refused(manager, offset, limit):
    with pytest.raises(ValueError, match="offset must be 0 or more"):
        manager.list_instances(offset=offset, limit=limit)


async def test_topics_between_hubs(manager, platform):
    topic = manager.topic("news", "text/plain")
    async with await topic.get() as reader:
        sending = asyncio.ensure_future(topic.send("one\ntwo\n"))
        lines = reader.lines()
        assert [await anext(lines), await anext(lines)] == ["one", "two"]
        await sending
        (seen,) = await manager.list_topics()
        assert (seen.name, seen.actors[0].role, seen.actors[0].stream) == ("news", "consumer", True)
    assert platform.requests[0][1].endswith("/space/space/api/v1/topic/news")


async def test_topics_of_a_hub_through_the_manager(manager):
    topic = await manager.host("sth-0").create_topic("orders", "text/plain")
    async with topic.open() as writer:
        await writer.write("one\n")
        async with topic.get() as reader:
            assert await anext(reader.lines()) == "one"
    await topic.delete()


# Store


async def test_the_store(manager, package, tmp_path, recorded):
    archive = tmp_path / "x.tar.gz"
    archive.write_bytes(package(ECHO, name="stored", version="1.2.3"))
    told = []
    first = await manager.put_store_item(archive, progress=lambda sent, total: told.append((sent, total)))
    assert isinstance(first, StoreItem)
    assert (first.name, first.version, first.entrypoint_path, first.etag) == ("stored", "1.2.3", "main.py", '"e"')
    assert told[-1] == (archive.stat().st_size,) * 2
    await manager.put_store_item(archive.read_bytes(), name="named.tar.gz")
    items = await manager.list_store_items()
    assert [item.filename for item in items] == [f"{first.id}.tar.gz", "named.tar.gz"]
    assert await manager.get_store_item("named.tar.gz").read() == archive.read_bytes()
    assert [each.location for each in await manager.list_all_sequences()] == ["store", "store"]
    await manager.delete_store_item("named.tar.gz")
    assert len(recorded.store) == 1
    with pytest.raises(errors.NotFoundError):
        await manager.delete_store_item("named.tar.gz")
    with pytest.raises(errors.NotFoundError):
        await manager.get_store_item("named.tar.gz").read()
    await manager.clear_store()
    assert await manager.list_store_items() == []


async def test_a_directory_is_packed_for_the_store(manager, tmp_path):
    (tmp_path / "package.json").write_text('{"name": "folder", "main": "main.py", "engines": {"python3": "*"}}')
    (tmp_path / "main.py").write_text(ECHO)
    item = await manager.put_store_item(str(tmp_path))
    assert (item.name, item.engines) == ("folder", {"python3": "*"})


async def test_what_the_store_refuses(manager, package, recorded):
    with pytest.raises(errors.UnprocessableError) as raised:
        await manager.put_store_item(b"\x1f\x8b nothing")
    assert raised.value.method == "PUT"
    recorded.bucket_limit = 10
    with pytest.raises(errors.OverloadedError) as raised:
        await manager.put_store_item(package(ECHO))
    assert raised.value.status == 507
    with pytest.raises(errors.PackageError):
        await manager.put_store_item("no-such-directory")


# Hubs that go


async def test_hubs_are_disconnected(manager, recorded, hub):
    recorded.hubs |= {name: Hub(hub.url, access_key=key) for name, key in (("a", "1"), ("b", "1"), ("c", "2"))}
    by_id = await manager.disconnect_hubs(id="c")
    assert (by_id.manager_id, by_id.disconnected) == ("space", [DisconnectedHub(sth_id="c", reason="id_drop")])
    by_key = await manager.disconnect_hubs(access_key="1")
    assert [(each.sth_id, each.reason) for each in by_key.disconnected] == [("a", "key_revoked"), ("b", "key_revoked")]
    gone = await manager.get_host_info("a")
    assert (gone.is_connection_active, gone.disconnect_reason) == (False, "key_revoked")
    for each in "abc":
        recorded.hubs[each].url = hub.url
    assert len((await manager.disconnect_hubs(limit=2)).disconnected) == 1
    assert len((await manager.disconnect_hubs(limit=0)).disconnected) == 2


async def test_hubs_that_can_not_be_disconnected(manager):
    with pytest.raises(errors.NotFoundError, match="Couldn't find STH with a given ID"):
        await manager.disconnect_hubs(id="nope")
    with pytest.raises(errors.BadRequestError, match="native hub"):
        await manager.disconnect_hubs(id="sth-0")
    with pytest.raises(errors.NotFoundError, match="that Access Key"):
        await manager.disconnect_hubs(access_key="nope")
    with pytest.raises(ValueError, match="limit=0 means all"):
        await manager.disconnect_hubs()
    with pytest.raises(ValueError, match="limit must be 0 or more"):
        await manager.disconnect_hubs(limit=-1)


async def test_hubs_are_deleted(manager, recorded, hub):
    recorded.hubs |= {"on": Hub(hub.url, access_key="k"), "off": Hub(access_key="k")}
    await manager.delete_hub("off")
    with pytest.raises(errors.ConflictError, match="still connected"):
        await manager.delete_hub("on")
    await manager.delete_hub("on", force=True)
    assert list(recorded.hubs) == ["sth-0"]
    with pytest.raises(errors.NotFoundError, match="was not found"):
        await manager.delete_hub("on")
    with pytest.raises(errors.BadRequestError, match="native hub"):
        await manager.delete_hub("sth-0", force=True)


# Middleware and MultiManager


async def test_access_keys(middleware):
    assert await middleware.list_access_keys("space") == []
    made = await middleware.create_access_key("space", "for my box")
    assert made["apiKey"]
    await middleware.create_access_key("space")
    keys = await middleware.list_access_keys("space")
    assert keys[0] == AccessKey(id=made["id"], created=1700000000000, description="for my box")
    assert (await middleware.revoke_access_key("space", made["id"])).message == "Key revoked"
    with pytest.raises(errors.NotFoundError):
        await middleware.revoke_access_key("space", made["id"])
    revoked = await middleware.revoke_all_access_keys("space")
    assert (revoked.message, revoked.keys_revoked) == ("All keys revoked", 1)


async def test_what_the_middleware_tells(middleware):
    assert (await middleware.get_version())["components"] == {"manager": "1.0"}
    assert [each["opCode"] async for each in middleware.get_audit().json()] == [10100]


async def test_no_token(platform):
    async with MiddlewareClient(platform.url) as client:
        with pytest.raises(errors.AuthenticationError):
            await client.list_spaces()
        with pytest.raises(errors.AuthenticationError):
            await client.manager("space").put_store_item(b"x")


async def test_a_multi_manager(platform, hub):
    async with MultiManagerClient(platform.multi_url) as multi:
        manager = await multi.start_manager({"id": "new"})
        assert manager.url == f"{platform.multi_url}/cpm/new/api/v1"
        platform.managers["new"].hubs["own"] = Hub(hub.url)
        assert [each.id for each in await manager.list_hosts()] == ["own"]
        assert (await manager.host("own").get_version()).api_version == "v1"
        assert {each.id for each in await multi.list_managers()} == {"space", "new"}
        assert (await multi.get_info()).managers_count == 2
        assert (await multi.get_version()).service == "@scramjet/multi-manager"
        assert (await multi.get_load_check()).mem_free == 1024
        assert (await multi.get_health()).uptime == 1
        assert [each["mId"] async for each in multi.get_audit().json()] == ["m"]
        assert await multi.get_log().read()
        with pytest.raises(errors.ConflictError):
            await multi.start_manager({"id": "new"})
        with pytest.raises(errors.OverloadedError):
            await multi.start_manager({"overloaded": True})
        await multi.stop_manager("new")
        with pytest.raises(errors.NotFoundError):
            await multi.stop_manager("new")
        assert (await multi.start_manager()).url != manager.url
    assert len(platform.connections) == 1


async def test_a_multi_manager_that_only_has_load(platform, monkeypatch):
    itself = platform._multi_manager_itself

    async def older(request, path):
        renamed = {"/load": "/load-check", "/load-check": "/nothing"}
        return await itself(request, renamed.get(path, path))

    monkeypatch.setattr(platform, "_multi_manager_itself", older)
    async with MultiManagerClient(platform.multi_url) as multi:
        assert (await multi.get_load_check()).mem_free == 1024


def test_unknown_and_missing_fields_do_no_harm():
    record = {"id": "x", "info": {}, "tags": [], "new": {"a": 1}}
    assert msgspec.json.decode(json.dumps(record), type=HubInfo).id == "x"


def test_clients_do_not_ask_before_they_are_used():
    manager = MiddlewareClient("http://127.0.0.1:1/api/v1").manager("s")
    assert isinstance(manager.host("h"), HostClient)
    assert isinstance(manager.get_log(), Reader)
    assert "/space/s/api/v1" in repr(manager)


@pytest.mark.parametrize(
    ("kind", "name"), [(ManagerClient, "Manager"), (MultiManagerClient, "MultiManager"), (MiddlewareClient, "platform")]
)
async def test_errors_call_the_server_by_its_name(kind, name, nobody):
    async with kind(nobody) as client:
        with pytest.raises(errors.HubConnectionError, match=rf"No {name} answers at .*; check the URL$"):
            await client.get_version()
    odd = ("GET", "/version", "not an object")
    async with serving(odd) as server, kind(server.url) as client:
        with pytest.raises(errors.HubResponseError, match=f"not the answer of a {name}: .*the URL is that of a {name}"):
            await client.get_version()


async def test_errors_about_a_hub_behind_a_manager(nobody):
    async with ManagerClient(nobody) as manager:
        with pytest.raises(errors.HubConnectionError, match="No Manager answers at"):
            await manager.host("sth-0").get_version()
    odd = ("GET", "/sth/sth-0/api/v1/version", "not an object")
    async with serving(odd) as server, ManagerClient(server.url) as manager:
        with pytest.raises(errors.HubResponseError, match="not the answer of a Hub"):
            await manager.host("sth-0").get_version()
