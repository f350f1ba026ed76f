"""JSON bodies and messages of Sequences have a size, so that decoding one holds up nobody."""

import io
import json

import aiohttp
import pytest

from transform_hub.hub.server import serve
from transform_hub.protocol import MESSAGE_LIMIT, VALUE_LIMIT, require_bounded

STARTS = "def run(context, input, *args): return [str(len(args))]"
TOO_LARGE = {
    "bytes": b'{"args": ["' + b"x" * MESSAGE_LIMIT + b'"]}',
    "arrays": b'{"args": [' + b"[]," * VALUE_LIMIT + b"1]}",
    "numbers": b'{"args": [' + b"1," * VALUE_LIMIT + b"1]}",
    "objects in text and out": b'{"args": ["' + b"{" * 100 + b'",' + b"{}," * VALUE_LIMIT + b"1]}",
}


@pytest.mark.parametrize("kind", TOO_LARGE)
async def test_a_body_that_is_too_large_is_refused_with_the_limit(kind, api, package):
    sequence = await api.send(package(STARTS))
    answer = await api.post(f"/sequence/{sequence}/start", io.BytesIO(TOO_LARGE[kind]), content_type="application/json")
    assert answer.status == 413
    limit = MESSAGE_LIMIT if kind == "bytes" else VALUE_LIMIT
    assert str(limit) in answer.json["error"]


async def test_text_may_have_as_many_brackets_as_it_likes(api, package):
    sequence = await api.send(package(STARTS))
    text = '[{\\"' * 300_000
    body = io.BytesIO(json.dumps({"args": [text]}).encode())
    answer = await api.post(f"/sequence/{sequence}/start", body, content_type="application/json")
    instance = f"/instance/{answer.json['id']}"
    assert await api.read(f"{instance}/output") == b"1"


async def test_the_limit_is_a_setting(tmp_path, api_of, package):
    async with serve(port=0, data_dir=tmp_path, json_limit=8 * 1024 * 1024) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        sequence = await api.send(package(STARTS))
        body = io.BytesIO(json.dumps({"args": ["x" * 5_000_000]}).encode())
        answer = await api.post(f"/sequence/{sequence}/start", body, content_type="application/json")
        instance = f"/instance/{answer.json['id']}"
        assert await api.read(f"{instance}/output") == b"1"


EMITS = {
    "bytes": ("'x' * 5_000_000", "bytes, at most 4194304 are taken; large data is for output and topics"),
    "arrays": ("[[]] * 200_001", "it has more than 200000 values; large data is for output and topics"),
}


@pytest.mark.parametrize("kind", EMITS)
async def test_an_event_that_is_too_large_is_the_error_of_who_sends_it(kind, api, package):
    message, words = EMITS[kind]
    source = f"""
        async def run(context, input):
            try:
                context.emit("big", {message})
            except ValueError as error:
                yield str(error)
    """
    instance = await api.start(await api.send(package(source)))
    text = (await api.read(f"{instance}/output")).decode()
    assert text.startswith("the event 'big' can't be sent: it has ")
    assert text.endswith(words)


async def test_a_health_that_is_too_large_is_unhealthy(api, package):
    source = """
        async def run(context, input):
            context.set_health_check(lambda: {"all": "x" * 5_000_000})
            async for line in input: yield line
    """
    instance = await api.start(await api.send(package(source)))
    health = await api.until(f"{instance}/health", lambda health: not health["healthy"])
    assert "at most 4194304 are taken" in health["error"]


async def test_javascript(api, package):
    source = """
        module.exports = function () {
            try { this.emit("big", "x".repeat(5_000_000)); } catch (error) { return `${error}`; }
        };
    """
    archive = package(files={"main.js": source}, main="main.js", engines={"node": ">=18"})
    instance = await api.start(await api.send(archive))
    text = (await api.read(f"{instance}/output")).decode()
    assert text.startswith("RangeError: the event 'big' can't be sent: it has ")


def test_brackets_are_counted_outside_of_text():
    inside = json.dumps(["[" * 200_000, '\\"[' * 100_000, "\\"]).encode()
    require_bounded(inside)
    with pytest.raises(ValueError, match="values"):
        require_bounded(b'["\\\\",' + b"[]," * 200_001 + b"1]")
