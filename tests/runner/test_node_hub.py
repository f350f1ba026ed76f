"""`this.hub` of JavaScript Sequences, on a Hub that asks for a token."""

import asyncio
import io
import json

import aiohttp
import pytest

from transform_hub.hub.server import serve

TOKEN = "of the Hub's owner"


@pytest.fixture
async def hub(tmp_path):
    async with serve(port=0, data_dir=tmp_path / "hub", retention_ms=60_000, token=TOKEN) as running:
        yield running


@pytest.fixture
async def api(hub, api_of):
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        yield api_of(hub, session)


async def values(js, body, **options):
    source = f"module.exports = async function (input, ...args) {{ const hub = this.hub; {body} }}"
    output, info = await js(source, **options)
    assert info["status"] == "completed", info["error"]
    return [json.loads(line) for line in output.splitlines()]


async def test_the_hub_itself(js, api):
    version, status, config, load, topics = await values(js, """
        return [
            await hub.getVersion(), await hub.getStatus(), await hub.getConfig(), await hub.getLoadCheck(),
            await hub.getTopics(),
        ]""")  # fmt: skip
    assert version == (await api.get("/version")).json
    assert status == {"cpm": {}}
    assert config == (await api.get("/config")).json
    assert load["memFree"] > 0
    assert topics == []


async def test_sequences(js, api, package):
    archive = package("def run(context, input): return ['a']", name="other")
    made, again, name, known, left, code = await values(js, """
        const archive = Buffer.from(args[0], "base64");
        const sequence = await hub.sendSequence(archive);
        const { Readable } = require("stream");
        const again = await hub.sendSequence(Readable.from([archive.subarray(0, 9), archive.subarray(9)]));
        const found = await hub.getSequenceId("other");
        const known = (await hub.listSequences()).length;
        const { config } = await sequence.getInfo();
        for (const id of found) await hub.deleteSequence(id, { force: true });
        const left = (await hub.listSequences()).length;
        const code = await hub.getSequence(sequence.id).catch((error) => [error.code, error.status, error.message]);
        return [found.includes(sequence.id), found.includes(again.id), config.name, known, left, code];
        """, args=[__import__("base64").b64encode(archive).decode()])  # fmt: skip
    assert (made, again, name, known, left) == (True, True, "other", 3, 1)
    assert code[:2] == ["NOT_FOUND", "404"]
    assert "not found" in code[2]


async def test_an_instance_of_another_sequence(js, api, package):
    other = await api.send(package("def run(context, input, suffix): return input.map(lambda x: x.upper() + suffix)"))
    output, running, healthy, status, listed = await values(js, """
        const sequence = hub.getSequenceClient(args[0]);
        const instance = await sequence.start({ args: ["!"] });
        const running = (await instance.getInfo()).status;
        const { healthy } = await instance.getHealth();
        await instance.sendInput(["text"], {}, { type: "text/plain" });
        let output = "";
        for await (const part of await instance.getStream("output")) output += part;
        let status;
        while ((status = (await hub.getInstanceInfo(instance.id)).status) !== "completed");
        return [output, running, healthy, status, (await sequence.listInstances()).includes(instance.id)];
        """, args=[other])  # fmt: skip
    assert (output, running, healthy, status, listed) == ("TEXT!", "running", True, "completed", True)


async def test_input_and_output_of_another_at_once(launch_js, api, package):
    other = await api.send(package("def run(context, input): return input"))
    instance = await launch_js("""
        module.exports = async function (input, id) {
            const instance = await this.hub.getSequenceClient(id).start();
            return instance.inout(input, {}, { type: "application/octet-stream", end: true });
        }""", args=[other])  # fmt: skip
    data = bytes(range(256)) * 80_000
    sending = asyncio.ensure_future(api.input(instance, io.BytesIO(data), "application/octet-stream"))
    assert await api.read(f"{instance}/output") == data
    assert (await sending).status == 200


async def test_events_stop_and_kill(js, api, package):
    other = await api.send(
        package("""
        def run(context, input):
            context.on("ping", lambda message: context.emit("pong", message))
            return input
    """)
    )
    pongs, stopped, killed = await values(js, """
        const sequence = hub.getSequenceClient(args[0]);
        const one = await sequence.start(), two = await sequence.start();
        const events = await one.getEventStream("pong");
        await one.sendEvent("ping", { n: 1 });
        const pongs = [await one.getEvent("pong"), JSON.parse((await events.iterator().next()).value)];
        await one.stop(1000);
        await two.kill();
        const code = async (instance) => {
            for (;;) {
                const { terminated } = await instance.getInfo();
                if (terminated) return terminated.exitcode;
            }
        };
        return [pongs, await code(one), await code(two)];
        """, args=[other])  # fmt: skip
    assert (pongs, stopped, killed) == ([{"n": 1}, {"n": 1}], 138, 137)


async def test_topics(js, api):
    made, got, deleted = await values(js, """
        const made = await hub.createTopic("words", "text/plain");
        const { PassThrough } = require("stream");
        const slow = new PassThrough();
        const sent = hub.sendTopic("words", slow, {}, "text/plain");
        const topic = await hub.getTopic("words", {}, "text/plain");
        slow.write("one\\n"); slow.end("two\\n");
        let got = "";
        for await (const part of topic) { got += part; if (got.length === 8) break; }
        await sent;
        return [made.id, got, await hub.deleteTopic("words")];
        """)  # fmt: skip
    assert (made, got) == ("words", "one\ntwo\n")
    assert "removed" in deleted["message"]


async def test_it_shows_no_secret(js, hub):
    source = "module.exports = function () { console.log(this.hub, this); return JSON.stringify(this.hub) }"
    output, info = await js(source)
    secret = hub.instances[info["id"]].secret.encode()
    assert secret not in output
    assert b"HostClient" in (stdout := hub.instances[info["id"]].streams["stdout"].tail(100_000))
    assert secret not in stdout


async def test_the_secret_is_of_no_use_after_the_end(launch_js, api, hub):
    instance = await launch_js("module.exports = (input) => input")
    running = api.instance(instance)
    token = f"{running.id}:{running.secret}"
    assert (await api.get("/version", authorization=f"Bearer {token}")).status == 200
    for wrong in (
        f"{running.id}:",
        f"{running.id}:{'0' * 32}",
        running.secret,
        "x:" + running.secret,
        ":",
        "é:é",
        "\udcff",
        "x:\udcff",
    ):
        assert (await api.get("/version", authorization=f"Bearer {wrong}")).status == 401, wrong
    await api.post(f"{instance}/_kill")
    await api.ended(instance)
    assert (await api.get("/version", authorization=f"Bearer {token}")).status == 401
