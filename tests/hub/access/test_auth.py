"""Who may use the API: tokens, their scopes, and whom the audit names."""

import asyncio
import contextlib
import hashlib
import json
import logging
import re
from pathlib import Path

import aiohttp
import psutil
import pytest

from transform_hub.errors import HubStartError
from transform_hub.hub.access import auth
from transform_hub.hub.access.auth import Scope, parse_tokens
from transform_hub.hub.http.app import ROUTES
from transform_hub.hub.http.route import route
from transform_hub.hub.server import serve

FULL, READ, HASHED = "full-token-0123456789", "read-token-0123456789", "hashed-token-0123456789"
FILE = f"""
# who may what
ci:full:{FULL}

dashboard:read-only:{READ}
vault:full:sha256:{hashlib.sha256(HASHED.encode()).hexdigest()}
"""

CHANGES_OR_TAKES = {
    ("POST", "/sequence"),
    ("PUT", "/sequence/{id}"),
    ("DELETE", "/sequence/{id}"),
    ("POST", "/sequence/{id}/start"),
    *(("POST", f"/instance/{{id}}/{name}") for name in ("_stop", "_kill", "_event", "_monitoring_rate")),
    *(("POST", f"/instance/{{id}}/{name}") for name in ("stdin", "input", "inout")),
    ("GET", "/instance/{id}/{stream}"),  # who reads output takes it from other readers
    ("POST", "/topics"),
    ("DELETE", "/topics/{name}"),
    ("POST", "/topic/{name}"),
    ("GET", "/topic/{name}"),
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(FILE)
    path.chmod(0o600)
    return path


@pytest.fixture
async def guarded(tmp_path, file):
    async with serve(data_dir=tmp_path / "hub", retention_ms=60_000, token_file=file) as hub:
        yield hub


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_every_route_says_what_it_asks_for():
    found = {
        (method, re.sub(r"{(\w+):[^}]*}", r"{\1}", path.removeprefix("/api/v1")), each.scope)
        for each in ROUTES
        for method, path in (declared.split() for declared in each.paths)
        if method != "*"
    }
    assert {(method, path) for method, path, scope in found if scope is Scope.FULL} == CHANGES_OR_TAKES
    assert all(
        method == "GET" or (method, path) == ("POST", "/platform") for method, path, s in found if s is Scope.READ
    )


def test_a_route_without_a_scope_is_an_error():
    with pytest.raises(TypeError, match="scope"):
        route("GET /api/v1/new")


@pytest.mark.parametrize("token", [FULL, HASHED])
async def test_a_token_of_scope_full_may_do_everything(token, guarded, session, api_of, package):
    session.headers.update(bearer(token))
    api = api_of(guarded, session)
    instance = await api.start(await api.send(package("def run(context, input): return ['done']")))
    assert await api.read(f"{instance}/output") == b"done"


async def test_a_token_that_is_read_only_changes_and_takes_nothing(guarded, session, api_of, package):
    full = api_of(guarded, session)
    session.headers.update(bearer(FULL))
    sequence = await full.send(package("def run(context, input): return ['done']"))
    instance = await full.start(sequence)
    ids = {"{id}": instance.rpartition("/")[2], "{stream}": "output", "{name}": "news"}
    async with aiohttp.ClientSession(headers=bearer(READ)) as reading:
        api = api_of(guarded, reading)
        for method, pattern in sorted(CHANGES_OR_TAKES):
            path = pattern.replace("/sequence/{id}", f"/sequence/{sequence}")
            for name, value in ids.items():
                path = path.replace(name, value)
            answer = await api.call(method, path, b"{}" if method == "POST" else None)
            assert answer.status == 403, (method, path, answer.text)
            assert "'dashboard' is read-only" in answer.json["error"]
        for path in ("/sequences", "/instances", "/topics", "/config", instance, f"/sequence/{sequence}"):
            assert (await api.get(path)).status == 200
        assert (await api.get("/nothing")).status == 404
    assert await full.read(f"{instance}/output") == b"done"
    assert (await full.get("/topics")).json == []


async def test_a_body_is_not_asked_for_in_vain(guarded, session):
    async with session.post(guarded.url + "/sequence", data=b"x" * 10, expect100=True, headers=bearer(READ)) as answer:
        assert answer.status == 403
    async with session.post(guarded.url + "/sequence", data=b"x" * 10, expect100=True) as answer:
        assert answer.status == 401


async def test_the_audit_names_the_token_and_never_has_it(guarded, session, api_of):
    api = api_of(guarded, session)
    await api.get("/sequence/one", **bearer(READ), x_mw_billable="somebody else")
    await api.get("/sequence/two", **bearer("wrong"))
    async with session.get(guarded.url + "/audit", headers=bearer(READ)) as response:
        lines = [await response.content.readline() for _ in range(4)]
    named = {record["objectId"]: record["requestorId"] for record in map(json.loads, lines)}
    assert named == {"one": "dashboard", "two": "unknown"}
    assert READ.encode() not in b"".join(lines)


async def test_tokens_are_read_again_on_demand(guarded, session, file, caplog):
    async def status(token):
        async with session.get(guarded.url + "/version", headers=bearer(token)) as answer:
            return answer.status

    file.write_text("new:full:new-token-0123456789\n")
    assert await status(FULL) == 200
    guarded.reload()
    assert [await status(FULL), await status("new-token-0123456789")] == [401, 200]
    file.write_text("broken:root:x\n")
    with caplog.at_level(logging.ERROR):
        guarded.reload()
    assert "line 1" in caplog.text
    assert await status("new-token-0123456789") == 200


async def test_all_tokens_are_compared_each_time(guarded, session, monkeypatch):
    compared = []

    def compare(first, second):
        compared.append(first)
        return first == second

    monkeypatch.setattr(auth.hmac, "compare_digest", compare)
    async with session.get(guarded.url + "/version", headers=bearer(FULL)) as answer:
        assert answer.status == 200
    assert len(compared) == 3
    assert {len(digest) for digest in compared} == {32}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("ci:full:\n", "line 1: a token is"),
        ("ci:readonly:abc", "line 1 is not name:scope:token"),
        ("a b:full:abc", "line 1 is not"),
        ("x:y", "line 1 is not"),
        ("one two", "without spaces"),
        ("ci:full:sha256:abc", "64 hex digits"),
        ("ci:full:0123456789abcdef\nci:read-only:0123456789abcdefg", "line 2: a token named 'ci' is there already"),
    ],
)
def test_what_is_no_token_is_refused_and_not_shown(text, message):
    with pytest.raises(HubStartError, match=message) as caught:
        parse_tokens(text, "tokens")
    assert "abc" not in str(caught.value)


def test_a_token_alone_may_do_everything():
    (token,) = parse_tokens("0123456789abcdef\n", "tokens")
    assert (token.name, token.scope) == ("token", Scope.FULL)


def test_what_can_be_guessed_or_read_by_others_is_warned_of(file, caplog):
    parse_tokens("short", "tokens")
    assert "can be guessed" in caplog.text
    assert "short" not in caplog.text
    file.chmod(0o644)
    auth.read_tokens(file)
    assert "chmod 600" in caplog.text


async def test_a_hub_whose_tokens_can_not_be_read_does_not_start(tmp_path):
    with pytest.raises(HubStartError, match="No such file"):
        async with serve(data_dir=tmp_path, token_file=tmp_path / "none"):
            pass
    with pytest.raises(HubStartError, match="empty"):
        async with serve(data_dir=tmp_path, token=""):
            pass


async def test_an_instance_may_use_the_api_while_it_runs(guarded, session, api_of, package):
    source = """
    async def run(context, input):
        yield (await context.hub.get_version()).api_version
        async for _ in input: pass
    """
    session.headers.update(bearer(FULL))
    api = api_of(guarded, session)
    instance = await api.start(await api.send(package(source)))
    running = guarded.instances[instance.rpartition("/")[2]]
    with running.streams["output"].reader() as reader:
        async for data in reader:
            assert data == b"v1"
            break
    secret = f"{running.id}:{running.secret}"
    assert (await api.get("/version", **bearer(secret))).status == 200
    for wrong in (f"{running.id}:{running.secret}0", f"{running.id}:", f"x:{running.secret}", running.secret):
        assert (await api.get("/version", **bearer(wrong))).status == 401
    await api.post(f"{instance}/_kill", {})
    await api.ended(instance)
    assert (await api.get("/version", **bearer(secret))).status == 401


async def test_of_the_link_a_runner_takes_its_own_channels_only(hub, api, package):
    instance = await api.start(
        await api.send(package("async def run(context, input):\n    async for _ in input: pass"))
    )
    running = hub.instances[instance.rpartition("/")[2]]
    hello = {"instance": running.id, "secret": running.secret, "channel": "input"}
    for wrong in ({"secret": "0" * 32}, {"secret": ""}, {"secret": None}, {"instance": "x"}, {"channel": "x"}, {}):
        reader, writer = await asyncio.open_unix_connection(hub.link.address.removeprefix("unix:"))
        writer.write(json.dumps({**hello, **wrong}).encode() + b"\n")  # {}: it has that channel already
        with_reset = await asyncio.gather(reader.read(), return_exceptions=True)
        assert with_reset[0] == b"" or isinstance(with_reset[0], ConnectionError)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert (await api.get(instance)).json["status"] == "running"


@pytest.mark.parametrize("zygote", [True, False])
async def test_the_secret_of_an_instance_is_in_no_arguments_and_environment(tmp_path, zygote, session, api_of, package):
    source = "async def run(context, input):\n    async for _ in input: pass"
    async with serve(data_dir=tmp_path, zygote=zygote) as hub:
        api = api_of(hub, session)
        instance = await api.start(await api.send(package(source)))
        secret = hub.instances[instance.rpartition("/")[2]].secret.encode()
        seen = 0
        for process in psutil.Process().children(recursive=True):
            for name in ("cmdline", "environ"):
                content = Path(f"/proc/{process.pid}/{name}").read_bytes()
                assert secret not in content
                seen += bool(content)
        assert seen >= 2
