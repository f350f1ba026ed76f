"""Rules common to all routes, and the routes of the Hub itself."""

import asyncio
import json

import aiohttp
import pytest

from transform_hub.hub.http.app import canonical_path
from transform_hub.hub.server import serve

JSON = "application/json"


async def test_version_has_the_keys_of_sth(api):
    version = (await api.get("/version")).json
    assert set(version) == {"service", "apiVersion", "version", "build"}
    assert (version["service"], version["apiVersion"]) == ("@scramjet/host", "v1")


async def test_status_config_and_lists(api):
    assert (await api.get("/status")).json == {"cpm": {}}
    assert (await api.get("/sequences")).json == []
    assert (await api.get("/instances")).json == []
    assert (await api.get("/entities")).json == {"sequences": [], "instances": []}
    config = (await api.get("/config")).json
    assert config["host"]["apiBase"] == "/api/v1"
    assert "token" not in json.dumps(config)


async def test_load_check_has_numbers(api):
    load = (await api.get("/load-check")).json
    assert set(load) == {"avgLoad", "currentLoad", "memFree", "memUsed", "fsSize"}
    assert load["memFree"] > 0
    assert set(load["fsSize"][0]) == {"fs", "available", "size", "used", "use"}


async def test_answers_are_json_with_cors_and_request_id(api):
    answer = await api.get("/version", x_request_id="abc")
    assert answer.headers["content-type"] == JSON
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-request-id"] == "abc"


async def test_options_anywhere(api):
    answer = await api.call("OPTIONS", "/no/such/route")
    assert (answer.status, answer.body) == (200, b"")
    assert "PUT" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("PATCH", "/version"), ("GET", "/sequence"), ("POST", "/version")]
)
async def test_unknown_routes_and_methods_are_404_with_a_json_body(api, method, path):
    answer = await api.call(method, path)
    assert answer.status == 404
    assert answer.headers["content-type"] == JSON
    assert path in answer.json["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/version/",
        "/api/v1//version",
        "//api/v1/version?x=1",
        "/space/my-space/api/v1/sth/sth-0/api/v1/version",
        "/api/v1/space/my-space/api/v1/sth/sth-0/api/v1//version/",
    ],
)
async def test_slashes_and_the_way_through_a_manager_do_not_matter(hub, path):
    async with (
        aiohttp.ClientSession() as session,
        session.get(aiohttp.client.URL(f"http://127.0.0.1:{hub.port}{path}", encoded=True)) as response,
    ):
        assert response.status == 200
        assert (await response.json())["apiVersion"] == "v1"


@pytest.mark.parametrize("path", ["/version", "//version", "/nowhere", "/instance/x"])
@pytest.mark.parametrize("name", ["Origin", "Host", "Authorization", "X-Request-Id", "Content-Type", "X"])
async def test_headers_may_have_any_bytes(hub, path, name):
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    host = b"" if name == "Host" else b"Host: localhost\r\n"
    writer.write(
        f"GET /api/v1{path} HTTP/1.1\r\n{name}: ".encode() + b"a\xf6\xff\r\n" + host + b"Connection: close\r\n\r\n"
    )
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert head.split()[1] in (b"200", b"403", b"404")
    assert json.loads(body)
    writer.close()


def test_canonical_path():
    assert canonical_path("/space/a/api/v1/sth/b/api/v1/sequence/sth/start") == "/api/v1/sequence/sth/start"
    assert canonical_path("/api/v1/instance/x/event/sth") == "/api/v1/instance/x/event/sth"


async def test_accept_header_is_honoured(api):
    assert (await api.get("/version", accept="text/html")).status == 415
    assert (await api.get("/version", accept="text/html, */*;q=0.1")).status == 200
    assert (await api.get("/log", accept="text/plain")).status == 415


async def test_head_answers_without_body(api):
    answer = await api.call("HEAD", "/version")
    assert (answer.status, answer.body) == (200, b"")


async def test_head_takes_nothing_creates_nothing_and_waits_for_nothing(api, package):
    source = "async def run(context, input):\n    print('said', flush=True)\n    yield 'out'"
    instance = await api.start(await api.send(package(source)))
    for path in ("output", "stdout", "log", "event/never", "once/never", "events/never", "health", ""):
        answer = await api.call("HEAD", f"{instance}/{path}")
        assert (answer.status, answer.body) == (200, b"")
    assert await api.read(f"{instance}/output") == b"out"
    assert await api.read(f"{instance}/stdout") == b"said\n"
    assert (await api.call("HEAD", "/topic/new")).status == 404
    assert (await api.get("/topics")).json == []


async def test_a_refused_reader_creates_no_topic(api):
    assert (await api.get("/topic/new", accept="text/plain")).status == 415
    assert (await api.get("/topics")).json == []


@pytest.mark.parametrize(("method", "path"), [("POST", "/platform"), ("GET", "/cpm"), ("PUT", "/cpm/api/v1/version")])
async def test_without_a_manager_its_routes_are_refused_at_once(method, path, api):
    answer = await api.call(method, path, b"x" if method != "GET" else None)
    assert (answer.status, answer.json) == (404, {"error": "This Hub is connected to no Manager"})


async def test_the_configuration_tells_no_secrets(tmp_path, api_of):
    settings = {"token": "s3cret", "runner_envs": {"KEY": "s3cret"}}
    async with serve(data_dir=tmp_path, **settings) as hub, aiohttp.ClientSession() as session:
        session.headers["Authorization"] = "Bearer s3cret"
        answer = await api_of(hub, session).get("/config")
        assert answer.status == 200
        assert "s3cret" not in answer.text
        assert str(tmp_path) not in answer.text


async def test_the_hubs_log_is_replayed_and_goes_on(hub, api, package):
    await api.send(package("def run(context, input): pass"))
    async with api.session.get(hub.url + "/log") as response:
        lines = []
        while not any("was sent" in line["msg"] for line in lines):
            lines.append(json.loads(await response.content.readline()))
    assert set(lines[0]) >= {"msg", "level", "ts", "from"}


async def test_a_token_is_required_once_it_is_set(tmp_path):
    async with serve(data_dir=tmp_path, token="let-me-in") as hub, aiohttp.ClientSession() as session:
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": "Basic let-me-in"}, 401),
            ({"Authorization": "bearer let-me-in"}, 200),
        ):
            async with session.get(hub.url + "/version", headers=headers) as response:
                assert response.status == status
                assert status == 200 or "token" in (await response.json())["error"]
        assert "let-me-in" not in repr(hub.config)
        async with session.options(hub.url + "/sequences") as response:  # a browser asks before it sends the token
            assert response.status == 200
            assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.slow
async def test_a_hub_that_closes_ends_what_is_open(tmp_path, package):
    async with aiohttp.ClientSession() as session:
        async with serve(data_dir=tmp_path) as hub:
            response = await session.get(hub.url + "/log")
            assert response.status == 200
        with pytest.raises(aiohttp.ClientError):
            async with session.get(hub.url + "/version"):
                pass
        response.close()


async def test_a_body_of_json_that_never_ends_is_cut(api, hub):
    async def endless():
        while True:
            yield bytes(1 << 20)
            await asyncio.sleep(0)

    with pytest.raises(aiohttp.ClientError):
        async with api.session.post(hub.url + "/topics", data=endless(), headers={"content-type": JSON}) as response:
            assert response.status == 413
            raise aiohttp.ClientError  # answered before the body ended, which is as good
