"""Whole binary messages in and out of Sequences, and the content types of outputs."""

import asyncio
import hashlib
import io
import os
import random

import pytest

from transform_hub.messages import head
from until import until

MESSAGES = "application/vnd.scramjet.messages"
PYTHON = f"""
requires = {{"requires": "images", "contentType": "{MESSAGES}"}}
provides = {{"provides": "thumbs", "contentType": "{MESSAGES}"}}
async def run(context, input):
    async for message in input:
        yield memoryview(message)[::-1].tobytes() if len(message) % 2 else bytearray(message[::-1])
"""
JAVASCRIPT = f"""
module.exports = [
  {{ requires: "images", contentType: "{MESSAGES}" }},
  function (input) {{
    const made = (async function* () {{
      for await (const message of input) yield Buffer.from(message).reverse();
    }})();
    return Object.assign(made, {{ topic: "thumbs", contentType: "{MESSAGES}" }});
  }},
];
"""
SIZES = (0, 1, 5, 4096, 65_536, 300_001, 3_000_000)


def framed(*messages):
    return b"".join(head(len(each)) + each for each in messages)


async def read_messages(content, count):
    return [await content.readexactly(int.from_bytes(await content.readexactly(4), "big")) for _ in range(count)]


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_each_message_is_an_item(language, launch, launch_js, api):
    await (launch(PYTHON) if language == "python" else launch_js(JAVASCRIPT))
    messages = [os.urandom(size) for size in SIZES]
    sending = asyncio.ensure_future(api.post("/topic/images", io.BytesIO(framed(*messages)), content_type=MESSAGES))
    async with api.session.get(f"{api.url}/topic/thumbs", headers={"content-type": MESSAGES}) as reader:
        assert await read_messages(reader.content, len(SIZES)) == [each[::-1] for each in messages]
    assert (await sending).status == 200


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_groups_share_messages(language, launch, launch_js, api):
    source = PYTHON if language == "python" else JAVASCRIPT
    for _ in range(3):
        await (launch if language == "python" else launch_js)(source, inputGroup="g")
    await api.until("/topics", lambda found: {"g": 3} in [each.get("groups") for each in found])
    messages = [b"%d" % number * number * 100 for number in range(1, 60)]
    await api.post("/topic/images", io.BytesIO(framed(*messages)), content_type=MESSAGES)
    async with api.session.get(f"{api.url}/topic/thumbs", headers={"content-type": MESSAGES}) as reader:
        got = await read_messages(reader.content, len(messages))
    assert sorted(got) == sorted(each[::-1] for each in messages)


@pytest.mark.parametrize(("item", "why"), [("'text'", "a message must be bytes, not str"), ("{'a': 1}", "not dict"),
                                           ("bytes(64 * 1024 * 1024 + 1)", "a message of 67108865 bytes")])  # fmt: skip
async def test_what_is_no_message_fails_in_words(item, why, launch, api):
    instance = await launch(f"""
        provides = {{"contentType": "{MESSAGES}"}}
        def run(context, input):
            yield b"first"
            yield {item}
    """)
    info = await api.ended(instance)
    assert "item 2 of the output can't be written" in info["error"]
    assert why in info["error"]
    assert await api.read(f"{instance}/output") == framed(b"first")


async def test_input_over_http_may_be_messages(launch, api):
    instance = await launch("""
        def run(context, input):
            return input.map(lambda message: f"{len(message)} ")
    """)
    await api.input(instance, framed(b"abc", b"", b"x" * 100_000), MESSAGES)
    assert await api.read(f"{instance}/output") == b"3 0 100000 "


async def test_input_that_ends_within_a_message_fails(launch, api):
    instance = await launch("def run(context, input):\n    return input.map(len)")
    await api.input(instance, framed(b"abc") + b"\0\0", MESSAGES)
    assert "ends within a message" in (await api.ended(instance))["error"]


async def test_an_output_is_served_with_the_type_that_it_has_declared(launch, launch_js, api):
    image = random.Random(1).randbytes(200_000)
    name = hashlib.sha1(image).hexdigest()
    instance = await launch(
        """
        import random
        provides = {"contentType": "image/png"}
        def run(context, input):
            yield random.Random(1).randbytes(200_000)
        """
    )
    async with api.session.get(f"{api.url}{instance}/output", headers={"accept": "image/png"}) as answer:
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "sandbox"
        assert hashlib.sha1(await answer.read()).hexdigest() == name
    for path, content_type in (("output", "image/png"), ("stdout", "application/octet-stream")):
        async with api.session.head(f"{api.url}{instance}/{path}") as answer:
            assert answer.headers["content-type"] == content_type
    async with api.session.get(f"{api.url}{instance}/output?tap=true") as answer:
        assert answer.headers["content-type"] == "image/png"
    async with api.session.get(f"{api.url}{instance}/output", headers={"accept": "text/plain"}) as answer:
        assert answer.status == 415


async def test_the_type_that_a_sequence_declares_is_known_when_it_runs(loading, api):
    source = "provides = {'contentType': 'image/png'}\nasync def run(context, input): await input.read()"
    instance, finish = await loading(source)
    seen = []
    run = api.instance(instance).run
    announce = run._announce
    run._announce = lambda: (seen.append(run.output_type), announce())
    await finish()
    assert seen == ["image/png"]


async def test_a_type_that_run_gives_is_served_once_it_has_returned(launch, api):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(input.read(), asyncio.get_running_loop()))
            class Page(str):
                content_type = "text/html; charset=utf-8"
            return Page("<p>")
    """)
    async with api.session.head(f"{api.url}{instance}/output") as answer:
        assert answer.headers["content-type"] == "application/octet-stream"
    await api.input(instance, b"go\n")
    await until(lambda: api.instance(instance).run.output_type is not None)
    async with api.session.get(f"{api.url}{instance}/output") as answer:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_the_type_of_a_javascript_output(launch_js, api):
    instance = await launch_js("""
        const { Readable } = require("stream");
        module.exports = () => Object.assign(Readable.from([Buffer.from("x")]), { contentType: "image/png" });
    """)
    await until(lambda: api.instance(instance).run.output_type is not None)
    async with api.session.get(f"{api.url}{instance}/output") as answer:
        assert (answer.headers["content-type"], await answer.read()) == ("image/png", b"x")


@pytest.mark.parametrize("declared", ["not a type", "image/png\r\nx-evil: 1", "text/plain; a=\u1234", "/"])
async def test_what_is_no_content_type_is_noted_and_not_served(declared, launch, api):
    instance = await launch(f"provides = {{'contentType': {declared!r}}}\ndef run(context, input): return 'x'")
    await until(lambda: b"is not a content type" in api.instance(instance).streams.log.tail(100_000))
    async with api.session.get(f"{api.url}{instance}/output") as answer:
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "x-evil" not in answer.headers
