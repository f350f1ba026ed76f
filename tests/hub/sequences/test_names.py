"""Sequences by the name in their package.json."""

import pytest

ECHO = "def run(context, input): return input"


async def call(api, method, name, path="", body=None):
    return await api.call(method, f"/sequence/{name}{path}", body, content_type="application/json")


@pytest.mark.parametrize(
    ("name", "spelled"),
    [("echo", "echo"), ("@me/echo", "@me/echo"), ("@me/echo", "@me%2Fecho"), ("@me/echo", "%40me%2Fecho")],
)
async def test_a_name_stands_for_the_only_sequence_that_has_it(name, spelled, api, package):
    sequence_id = await api.send(package(ECHO, name=name))
    answer = await call(api, "GET", spelled)
    assert (answer.status, answer.json["id"], answer.json["name"]) == (200, sequence_id, name)
    started = await call(api, "POST", spelled, "/start", b"{}")
    assert started.status == 200
    assert (await call(api, "GET", spelled, "/instances")).json == [started.json["id"]]
    info = (await api.get(f"/instance/{started.json['id']}")).json
    assert (info["sequence"]["id"], info["sequence"]["name"]) == (sequence_id, name)
    await api.post(f"/instance/{started.json['id']}/_kill", {"removeImmediately": True})
    await api.answers(f"/instance/{started.json['id']}", 404)
    archive = package(ECHO, name=name, version="2.0.0")
    answer = await api.call("PUT", f"/sequence/{spelled}", archive, content_type="application/octet-stream")
    assert answer.json == {"id": sequence_id}
    answer = await call(api, "DELETE", spelled)
    assert (answer.status, answer.json) == (200, {"id": sequence_id})
    assert (await api.get("/sequences")).json == []


async def test_a_name_that_two_have_is_refused_with_their_ids(api, package):
    ids = [await api.send(package(ECHO, name="echo")) for _ in range(2)]
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", ""), ("POST", "/start"), ("GET", "/instances")):
        answer = await call(api, method, "echo", path)
        assert answer.status == 409
        for id_ in ids:
            assert id_ in answer.json["error"]
    assert len((await api.get("/sequences")).json) == 2
    assert (await call(api, "DELETE", ids[0])).status == 200
    assert (await call(api, "GET", "echo")).json["id"] == ids[1]


async def test_an_id_comes_before_a_name(api, package):
    first = await api.send(package(ECHO, name="echo"))
    await api.send(package(ECHO, name=first))
    assert (await call(api, "GET", first)).json["name"] == "echo"


async def test_a_package_without_name_has_none(api, package):
    sequence_id = await api.send(package(ECHO, name=""))
    assert "name" not in (await call(api, "GET", sequence_id)).json
