"""Calls: what is sent, and what becomes of every way in which a call can end."""

import asyncio
import base64
import json
import logging
import traceback

import pytest
from aiohttp import web
from faulty import raw, serving

from transform_hub import errors
from transform_hub.client import HostClient
from transform_hub.models import HubSettings

VERSION = {"service": "@scramjet/host", "apiVersion": "v1", "version": "1.0.1", "build": "x", "more": 1}


def answer(status=200, **options):
    async def handle(request):
        await request.read()
        return web.Response(status=status, **options)

    return handle


def in_turn(*handlers):
    waiting = list(handlers)

    async def handle(request):
        handler = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return await handler(request) if callable(handler) else web.json_response(handler)

    return handle


async def dropped(request):
    request.transport.close()
    return web.Response()


async def never(request):
    await asyncio.Event().wait()


async def test_what_a_request_has():
    async with (
        serving(("GET", "/version", VERSION), ("DELETE", "/sequence/x", {"id": "x"})) as server,
        HostClient(server.url, token=" abc\n", headers={"X-Team": "a"}) as host,
    ):
        version = await host.get_version()
        await host.delete_sequence("x", force=True)
    get, delete = server.requests
    assert version.api_version == "v1"
    assert get.headers["Authorization"] == "Bearer abc"
    assert get.headers["X-Team"] == "a"
    assert len(get.headers["X-Request-Id"]) == 32
    assert get.headers["X-Request-Id"] != delete.headers["X-Request-Id"]
    assert delete.headers["Content-Type"] == "application/json"
    assert delete.headers["x-seq-kill-inst"] == "true"
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ({"text": '{"error": "Sequence x not found"}'}, "Sequence x not found"),
        ({"text": '{"error": {"code": "PRERUNNER_ERROR", "data": "Invalid pkg"}}'}, "Invalid pkg"),
        (
            {"text": '{"error": {"code": "PRERUNNER_ERROR", "data": "Invalid pkg", "message": "Invalid pkg: a zip"}}'},
            "Invalid pkg: a zip",
        ),
        ({"text": '{"error": "<SequencePackageJSON> decoder failed"}'}, "<SequencePackageJSON> decoder failed"),
        ({"text": '{"error": {"errno": -2, "code": "ENOENT", "path": "/x"}}'}, "ENOENT"),
        ({"text": '{"error": {}}', "reason": "Unprocessable"}, "Unprocessable"),
        ({"text": '{"error": null}', "reason": "Bad"}, "Bad"),
        ({"text": '{"message": "no"}'}, "no"),
        ({"text": "415: Invalid content-type"}, "415: Invalid content-type"),
        ({"text": "<html>nginx</html>", "reason": "Bad Gateway"}, "Bad Gateway"),
        ({"reason": "Could not parse content"}, "Could not parse content"),
        ({"text": "[1"}, "[1"),
        ({"body": b"\xff\xfe"}, "\ufffd\ufffd"),
    ],
)
async def test_the_message_is_the_hubs_own(response, message):
    async with (
        serving(("POST", "/instance/x/_kill", answer(422, **response))) as server,
        HostClient(server.url) as host,
    ):
        with pytest.raises(errors.UnprocessableError) as raised:
            await host.instance("x").kill()
    assert raised.value.message == message
    assert raised.value.status == 422
    assert raised.value.method == "POST"
    assert raised.value.url == server.url + "/instance/x/_kill"
    assert raised.value.request_id == server.requests[0].headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [
        ("415: Invalid content-type", 415, "Invalid content-type"),
        ("404: Not found", 404, "Not found"),
        ("502: no", 502, "no"),
        ("200: fine", 500, "200: fine"),
        ("4040: x", 500, "4040: x"),
        ("object is not iterable", 500, "object is not iterable"),
    ],
)
async def test_the_status_that_sth_hides_in_a_500(text, status, message):
    async with (
        serving(("POST", "/instance/x/_event", answer(500, text=text))) as server,
        HostClient(server.url) as host,
    ):
        with pytest.raises(errors.error_class(status)) as raised:
            await host.instance("x").send_event("e")
    assert (raised.value.status, raised.value.message) == (status, message)
    assert type(raised.value) is errors.error_class(status)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 409, 413, 415, 418, 419, 422, 429, 500, 507])
async def test_each_status_has_its_error(status):
    async with serving(("GET", "/config", answer(status))) as server, HostClient(server.url) as host:
        with pytest.raises(errors.error_class(status)) as raised:
            await host.get_config()
    assert type(raised.value) is errors.error_class(status)
    assert len(server.requests) == 1


async def test_hints(nobody):
    async with serving(
        ("GET", "/version", answer(401)), ("GET", "/sequence/x", answer(404, text='{"error":"no"}'))
    ) as server:
        async with HostClient(server.url) as host, HostClient(server.url, token="t") as known:
            with pytest.raises(errors.AuthenticationError, match="pass a token to the client: token=") as raised:
                await host.get_version()
            with pytest.raises(errors.AuthenticationError, match="expired"):
                await known.get_version()
            with pytest.raises(errors.NotFoundError) as missing:
                await host.get_sequence_info("x")
            assert missing.value.hint == ""
        async with HostClient(server.url + "/else") as host:
            with pytest.raises(errors.NotFoundError, match="ends in /api/v1"):
                await host.get_version()
    async with HostClient(nobody) as host:
        with pytest.raises(errors.HubConnectionError, match="start one with `sth`") as raised:
            await host.get_version()
        assert f"No Hub answers at {nobody}" in str(raised.value)
        assert isinstance(raised.value, ConnectionError)
    async with HostClient("http://no-such-host.invalid") as host:
        with pytest.raises(errors.HubConnectionError, match="check the host name"):
            await host.get_version()


@pytest.mark.parametrize(
    ("status", "said", "hint"),
    [
        (403, None, "the token may be read-only"),
        (403, "It is for reading only", None),
        (413, None, "the Hub, or a proxy before it, has a limit below this size"),
        (413, "A package may have 1 MiB", None),
        (419, "Insufficient Space on Resource", "get_load_check() has the figures"),
        (419, "Insufficient Space on Resource: 5 Instances run", None),
        (409, "Can't remove- Sequence in use", "delete it with force=True"),
        (404, "The sequence x does not exist.", None),
    ],
)
async def test_hints_where_the_hub_says_little(status, said, hint):
    text = json.dumps({"error": said}) if said else ""
    async with (
        serving(("DELETE", "/sequence/x", answer(status, text=text))) as server,
        HostClient(server.url) as host,
    ):
        with pytest.raises(errors.error_class(status)) as raised:
            await host.delete_sequence("x")
    assert hint in raised.value.hint if hint else raised.value.hint == ""


async def test_a_redirect_to_where_nobody_is():
    away = answer(302, headers={"Location": "http://no-such-host.invalid/"})
    async with serving(("GET", "/version", away)) as server, HostClient(server.url) as host:
        with pytest.raises(errors.HubConnectionError, match=r"No connection to no-such-host\.invalid:80, where http"):
            await host.get_version()


@pytest.mark.parametrize(
    ("response", "complaint"),
    [
        ({"text": "<html>"}, "not the answer of a Hub: it is a web page"),
        ({"text": '{"service": 1}'}, "service"),
        ({"text": "[]"}, "Expected `object`"),
        ({"body": b"\xff"}, "not the answer of a Hub"),
        ({}, "it is empty"),
    ],
)
async def test_an_answer_of_another_shape_is_an_error_in_words(response, complaint):
    async with serving(("GET", "/version", answer(**response))) as server, HostClient(server.url) as host:
        with pytest.raises(errors.HubResponseError, match=complaint) as raised:
            await host.get_version()
    assert raised.value.status == 200
    assert "URL" in raised.value.hint


async def test_bodies_that_sth_leaves_out():
    routes = [
        ("GET", "/status", answer(204)),
        ("GET", "/config", answer()),
        ("GET", "/sequences", answer()),
        ("GET", "/instance/x/event/e", answer(204)),
        ("DELETE", "/sequence/x", answer()),
    ]
    async with serving(*routes) as server, HostClient(server.url) as host:
        assert (await host.get_status()).cpm.connected is None
        assert await host.get_config() == HubSettings()
        assert await host.list_sequences() == []
        assert await host.instance("x").get_event("e") is None
        await host.delete_sequence("x")


async def test_what_does_not_speak_http():
    async def handle(reader, writer):
        await reader.readline()
        writer.write(b"SSH-2.0-OpenSSH_9\r\n\r\n")

    async with raw(handle) as url, HostClient(url, token="s3cret") as host:
        with pytest.raises(errors.HubConnectionError, match="The answer is not HTTP") as raised:
            await host.get_version()
    assert "s3cret" not in deep(raised.value)


@pytest.mark.parametrize("fault", [dropped, answer(502), answer(503), answer(504)])
async def test_a_get_is_tried_again(fault):
    async with (
        serving(("GET", "/version", in_turn(fault, fault, VERSION))) as server,
        HostClient(server.url) as host,
    ):
        assert (await host.get_version()).version == "1.0.1"
    assert len(server.requests) == 3
    assert len({request.headers["X-Request-Id"] for request in server.requests}) == 1


async def test_a_get_whose_answer_breaks_off_is_tried_again():
    async def half(request):
        response = web.StreamResponse(headers={"content-length": "1000"})
        await response.prepare(request)
        await response.write(b'{"service"')
        request.transport.close()
        return response

    async with serving(("GET", "/version", in_turn(half, VERSION))) as server, HostClient(server.url) as host:
        assert (await host.get_version()).version == "1.0.1"


async def test_tries_are_limited():
    async with serving(("GET", "/version", answer(503))) as server, HostClient(server.url) as host:
        with pytest.raises(errors.OverloadedError):
            await host.get_version()
        assert len(server.requests) == 4


async def test_tries_are_told_to_who_asks(nobody, caplog, capsys):
    """A library does not write to people's stderr."""
    with caplog.at_level("WARNING"):
        async with HostClient(nobody) as host:
            with pytest.raises(errors.HubConnectionError):
                await host.get_version()
    assert caplog.text + capsys.readouterr().err == ""
    with caplog.at_level("INFO", "transform_hub.client.transport"):
        async with HostClient(nobody, token="s3cret") as host:
            with pytest.raises(errors.HubConnectionError):
                await host.get_version()
    assert caplog.text.count("Retrying in 0.0 s: No Hub answers at") == 3
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("fault", [dropped, answer(502), answer(503), answer(504)])
async def test_what_may_have_been_done_is_not_done_twice(fault):
    routes = [("POST", "/instance/x/_kill", fault), ("DELETE", "/sequence/x", fault), ("GET", "/version", VERSION)]
    async with serving(*routes) as server, HostClient(server.url) as host:
        for call in (lambda: host.instance("x").kill(), lambda: host.delete_sequence("x")):
            await host.get_version()  # so that there is a pooled connection, on which aiohttp itself would try again
            with pytest.raises(errors.HubError):
                await call()
    assert len(server.of("_kill")) == 1
    assert len(server.of("/sequence/x")) == 1


async def test_a_post_is_tried_again_if_no_connection_was_made(nobody):
    servers = []

    async def started(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"id": "again"}')
        writer.close()

    async def token():  # is asked for each try: the server comes up before the third
        tries.append(1)
        if len(tries) == 3:
            port = int(nobody.split(":")[2].split("/")[0])
            servers.append(await asyncio.start_server(started, "127.0.0.1", port))
        return "t"

    tries = []
    async with HostClient(nobody, token=token) as host:
        assert (await host.sequence("x").start()).id == "again"
    assert len(tries) == 3
    servers[0].close()


async def test_one_deadline_over_all_tries():
    async def slow(request):
        await asyncio.sleep(0.15)  # each try has time enough, all together have not
        return web.Response(status=503)

    async with serving(("GET", "/version", slow)) as server, HostClient(server.url, timeout=0.25) as host:
        with pytest.raises(errors.HubTimeoutError, match=r"within 0\.25 s") as raised:
            await host.get_version()
        assert isinstance(raised.value, TimeoutError)
    assert len(server.requests) <= 2


async def test_the_deadline_counts_pauses(monkeypatch):
    monkeypatch.setattr("transform_hub.client.transport.PAUSES", (3600,))
    async with serving(("GET", "/version", answer(503))) as server, HostClient(server.url, timeout=0.3) as host:
        with pytest.raises(errors.HubTimeoutError) as raised:
            await host.get_version()
    assert isinstance(raised.value.__cause__, errors.OverloadedError)


async def test_a_deadline_that_ends_between_tries_tells_what_was_wrong(monkeypatch, nobody):
    monkeypatch.setattr("transform_hub.client.transport.PAUSES", (3600,))
    async with HostClient(nobody, timeout=0.3) as host:
        with pytest.raises(errors.HubTimeoutError, match=r"within 0\.3 s: No Hub answers at .*start one with `sth`"):
            await host.get_version()


@pytest.mark.parametrize(
    ("token", "error"),
    [
        (5, TypeError), (b"t", TypeError), (lambda: None, TypeError), (lambda: 5, TypeError),
        ("s3c\nret", ValueError), (lambda: "s3c\x00ret", ValueError),
    ],
)  # fmt: skip
async def test_a_token_that_is_none(token, error):
    async with serving(("GET", "/version", VERSION)) as server:
        with pytest.raises(error, match="token must be") as raised:
            async with HostClient(server.url, token=token) as host:
                await host.get_version()
    assert "s3c" not in str(raised.value)
    assert server.requests == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_deadline_of_a_call_that_is_not_answered(method):
    routes = [("GET", "/version", never), ("POST", "/instance/x/_kill", never)]
    async with serving(*routes) as server, HostClient(server.url, timeout=0.1) as host:
        with pytest.raises(errors.HubTimeoutError):
            await (host.get_version() if method == "GET" else host.instance("x").kill())
    assert len(server.requests) == 1


async def test_deadline_of_an_answer_that_trickles():
    async def trickle(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    async with serving(("GET", "/version", trickle)) as server, HostClient(server.url, timeout=0.1) as host:
        with pytest.raises(errors.HubTimeoutError):
            await host.get_version()


async def test_stop_has_the_time_it_gives_the_instance():
    async def slow(request):
        await asyncio.sleep(0.3)  # longer than other calls may take
        info = {"id": "x", "sequence": {"id": "s", "config": {}}, "status": "stopping"}
        return web.json_response(info, status=202)

    async with serving(("POST", "/instance/x/_stop", slow)) as server, HostClient(server.url, timeout=0.2) as host:
        assert (await host.instance("x").stop(timeout=60)).status == "stopping"
        with pytest.raises(errors.HubTimeoutError):
            await host.instance("x").stop(timeout=0.001)


async def test_events_are_waited_for_without_the_calls_deadline():
    async def slow(request):
        await asyncio.sleep(0.2)  # longer than a call may take
        return web.json_response("now")

    routes = [("GET", "/instance/x/event/e", slow), ("GET", "/instance/x/once/e", slow)]
    async with serving(*routes) as server, HostClient(server.url, timeout=0.1) as host:
        assert await host.instance("x").get_event("e") == "now"
        assert await host.instance("x").get_next_event("e") == "now"
        with pytest.raises(errors.HubTimeoutError):
            await host.instance("x").get_next_event("e", timeout=0.1)


async def test_token_functions():
    tokens = iter(["old", "new", "newer"])

    async def check(request):
        good = request.headers["Authorization"] == "Bearer new"
        return web.json_response(VERSION) if good else web.Response(status=401)

    async def fresh():
        return next(tokens)

    async with serving(("GET", "/version", check)) as server, HostClient(server.url, token=fresh) as host:
        assert (await host.get_version()).version == "1.0.1"
        with pytest.raises(errors.AuthenticationError):
            await HostClient(server.url, token=lambda: "other").get_version()
        with pytest.raises(errors.AuthenticationError):
            await HostClient(server.url, token="text").get_version()
    assert [request.headers["Authorization"].split()[1] for request in server.requests] == [
        *("old", "new"),
        *("other", "other"),
        "text",
    ]


async def test_a_token_that_does_not_come():
    async def hang():
        await asyncio.Event().wait()

    async with (
        serving(("GET", "/version", VERSION)) as server,
        HostClient(server.url, token=hang, timeout=0.1) as host,
    ):
        with pytest.raises(errors.HubTimeoutError, match="returned nothing within"):
            await host.get_version()


async def test_errors_of_token_functions_are_their_own():
    def broken():
        raise KeyError("vault")

    async with serving(("GET", "/version", VERSION)) as server, HostClient(server.url, token=broken) as host:
        with pytest.raises(KeyError, match="vault"):
            await host.get_version()


async def test_credentials_in_the_url_become_a_header():
    async with serving(("GET", "/version", VERSION)) as server:
        url = server.url.replace("http://", "http://me:p%40ss@")
        async with HostClient(url) as host:
            await host.get_version()
        async with HostClient(url, token="t") as host:
            await host.get_version()
    basic = "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert [request.headers["Authorization"] for request in server.requests] == [basic, "Bearer t"]


def deep(error):
    """Everything that could be shown of an error, its causes and their attributes included."""
    seen, queue, text = set(), [error], ""
    while queue:
        error = queue.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        text += f"{error!s} {error!r} {error.__dict__!r} {error.args!r}"
        text += "".join(traceback.format_exception(type(error), error, error.__traceback__))
        queue += [error.__cause__, error.__context__]
    return text


@pytest.mark.parametrize("fault", [answer(401), answer(500), dropped, never, answer(text="<"), answer(302)])
async def test_nothing_shows_a_token(fault, caplog):
    caplog.set_level(logging.DEBUG)
    async with serving(("GET", "/version", fault)) as server:
        url = server.url.replace("http://", "http://me:s3cret@")
        headers = {"X-Key": "s3cret"}
        async with HostClient(url, token="s3cret", headers=headers, timeout=0.3) as host:
            shown = f"{host!r} {host.transport!r} {host.sequence('x')!r} {host.instance('x')!r} {host.url}"
            shown += repr(host.instance("x").get_output()) + repr(host.instance("x").open_input())
            with pytest.raises(errors.HubError) as raised:
                await host.get_version()
    assert "s3cret" not in shown
    assert "s3cret" not in deep(raised.value)
    assert "s3cret" not in caplog.text


async def test_redirects():
    def to(path):
        return answer(307, headers={"Location": f"/api/v1{path}"})

    routes = [("GET", "/version", to("/moved")), ("GET", "/moved", VERSION), ("POST", "/instance/x/_kill", to("/y"))]
    async with serving(*routes) as server, HostClient(server.url) as host:
        assert (await host.get_version()).version == "1.0.1"
        with pytest.raises(errors.HubResponseError, match="Redirected to /api/v1/y"):
            await host.instance("x").kill()


async def test_an_error_whose_body_does_not_end(monkeypatch):
    monkeypatch.setattr("transform_hub.client.answers.ERROR_PATIENCE", 0.05)

    async def endless(request):
        response = web.StreamResponse(status=404, reason="Gone for good")
        await response.prepare(request)
        await asyncio.Event().wait()

    async with serving(("GET", "/instance/x/output", endless)) as server, HostClient(server.url) as host:
        with pytest.raises(errors.NotFoundError, match="Gone for good"):
            await host.instance("x").get_output()


async def test_long_streams_do_not_starve_calls():
    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()

    routes = [("GET", "/instance/x/output", endless), ("GET", "/version", VERSION)]
    async with serving(*routes) as server, HostClient(server.url, timeout=2) as host:
        readers = [await host.instance("x").get_output() for _ in range(150)]
        assert (await host.get_version()).version == "1.0.1"
        for reader in readers:
            await reader.close()
