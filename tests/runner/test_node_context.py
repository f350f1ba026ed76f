"""What JavaScript Sequences have as `this`: events, handlers, health, logs, topics."""

import asyncio
import io
import json

import pytest

STOPPED = ("completed", {"exitcode": 138, "reason": "Instance stopped"})
KILLED = ("completed", {"exitcode": 137, "reason": "Instance killed"})


async def verdict(api, instance):
    info = await api.ended(instance)
    return info["status"], info["terminated"]


async def stop(api, instance, timeout=7000, can_keep_alive=False):  # noqa: FBT002 - as on the wire
    answer = await api.post(f"{instance}/_stop", {"timeout": timeout, "canCallKeepalive": can_keep_alive})
    assert answer.status == 202


async def event(api, instance, name, message=None):
    assert (await api.post(f"{instance}/_event", [5001, {"eventName": name, "message": message}])).status == 200


async def test_config_arguments_and_id(js):
    output, info = await js(
        "module.exports = function (input, ...args) { return [args, this.config, this.instanceId, this.exitTimeout] }",
        args=[1, {"a": None}],
        appConfig={"key": "é"},
    )
    assert [json.loads(line) for line in output.splitlines()] == [[1, {"a": None}], {"key": "é"}, info["id"], 10000]


async def test_the_secret_is_not_in_the_environment(js, hub):
    output, info = await js("module.exports = () => [process.env, process.argv, process.execArgv]")
    assert b"PATH" in output
    assert hub.instances[info["id"]].secret.encode() not in output


async def test_secrets_are_there_by_name_and_do_not_show(api, launch_js):
    source = """
        const util = require("node:util");
        module.exports = function () {
            console.log(this.secrets, [this.secrets], `${this.secrets}`);
            console.log(util.inspect(this, { depth: 9, showHidden: true, getters: true }));
            console.log(util.inspect(this.secrets, { showHidden: true, depth: 9 }), "%o %O %j", this.secrets);
            console.error("%o %O %j %s", this.secrets, this.secrets, this.secrets, this.secrets);
            this.logger.info("has", this.secrets, { of: this.secrets });
            this.logger.info(this.secrets);
            this.emit("shown", this.secrets);
            const { A, toJSON } = this.secrets;
            return [[A.length, "B" in this.secrets, "C" in this.secrets, this.secrets.C === undefined,
                Object.keys(this.secrets), Object.values({ ...this.secrets }).map((value) => value.length)]];
        }"""
    secrets = {"A": "hunter2", "B": "swordfish"}
    instance = await launch_js(source, secrets=secrets)
    event = asyncio.ensure_future(api.get(f"{instance}/event/shown"))
    output, *printed = [await api.read(f"{instance}/{name}") for name in ("output", "stdout", "stderr", "log")]
    assert json.loads(output) == [7, True, False, True, ["A", "B"], [7, 9]]
    for text in printed:
        assert b"<secrets A, B>" in text
        assert b"hunter2" not in text
        assert b"swordfish" not in text
    assert (await event).json == "<secrets A, B>"


async def test_events_both_ways(launch_js, api):
    instance = await launch_js("""
        module.exports = function () {
            this.on("ping", (message) => this.emit("pong", { got: message }));
            this.on("bad", () => { throw new Error("bad listener") });
            this.on("bad", async () => { throw new Error("bad too") });
            this.emit("ready");
            return new Promise(() => {});
        }""")
    await api.get(f"{instance}/event/ready")
    await event(api, instance, "bad")
    for message in ("text", 0, [None]):
        pong = asyncio.ensure_future(api.get(f"{instance}/once/pong"))
        while not pong.done():  # it may not be waiting yet when the first one comes
            await event(api, instance, "ping", message)
            await asyncio.wait({pong}, timeout=0.05)
        assert pong.result().json == {"got": message}
    log = await api.call("GET", f"{instance}/health")
    assert log.json["healthy"] is True


async def test_events_reach_other_instances(launch_js, launch, api):
    listener = await launch_js("""
        module.exports = function () {
            return new Promise((done) => { this.on("hello", (name) => done(name)); this.emit("ready") });
        }""")
    await api.get(f"{listener}/event/ready")
    await launch("def run(context, input):\n    context.emit('hello', 'from Python')\n    return input")
    assert await api.read(f"{listener}/output") == b"from Python"


async def test_stop_without_handlers(launch_js, api):
    for source in (
        "module.exports = (input) => input",
        "module.exports = () => new Promise(() => {})",
        "module.exports = function* () { for (;;) yield '' }",
        "module.exports = async function* () { yield 1; await new Promise(() => {}) }",
        "module.exports = () => { setInterval(() => {}, 1000); return require('stream').Readable({ read() {} }) }",
    ):
        instance = await launch_js(source)
        await stop(api, instance)
        assert await verdict(api, instance) == STOPPED


async def test_stop_handlers(launch_js, api):
    instance = await launch_js("""
        module.exports = function (input) {
            this.addStopHandler((timeout, can) => console.log("first", timeout, can));
            this.addStopHandler(() => { throw new Error("bad handler") });
            this.addStopHandler(async () => { await new Promise((go) => setTimeout(go, 20)); console.log("third") });
            return input;
        }""")
    await stop(api, instance, timeout=6500)
    assert await verdict(api, instance) == STOPPED
    assert await api.read(f"{instance}/stdout") == b"first 6500 false\nthird\n"
    assert b"A stop handler failed: Error: bad handler" in await api.read(f"{instance}/log")


async def test_a_stream_that_is_stopped_cleans_up(launch_js, api):
    instance = await launch_js("""
        module.exports = async function* () {
            try { for (;;) { yield 1; await new Promise((go) => setTimeout(go, 5)) } } finally { console.log("clean") }
        }""")
    await stop(api, instance)
    assert await api.read(f"{instance}/stdout") == b"clean\n"


STOPPED_BY_ITSELF = {
    "promise": "return new Promise((done) => this.addStopHandler(() => done('last words')))",
    "stream": """
        const out = new (require("stream").PassThrough)();
        this.addStopHandler(() => out.end("last words"));
        return out""",
}


@pytest.mark.parametrize("kind", STOPPED_BY_ITSELF)
async def test_a_stop_handler_may_end_the_sequence(kind, launch_js, api):
    instance = await launch_js(f"module.exports = function () {{ {STOPPED_BY_ITSELF[kind]} }}")
    await stop(api, instance)
    assert await verdict(api, instance) == STOPPED
    assert await api.read(f"{instance}/output") == b"last words"


LATER = {
    "what a generator yields": """
        let stopping = false;
        this.addStopHandler(() => { stopping = true; });
        return (async function* () {
            while (!stopping) await new Promise((go) => setTimeout(go, 5));
            for (const word of ["last ", "words"]) {
                await new Promise((go) => setTimeout(go, 300));
                yield word;
            }
        }).call(this)""",
    "what is made of the input": """
        this.addStopHandler(() => {});
        return (async function* () {
            for await (const chunk of input) yield chunk;
            await new Promise((go) => setTimeout(go, 300));
            yield "words";
        })()""",
    "what the library makes of the input": """
        this.addStopHandler(() => {});
        return input.toStringStream().append("words")""",
}


@pytest.mark.parametrize("kind", LATER)
async def test_what_a_sequence_writes_after_its_stop_handlers_arrives(kind, launch_js, api):
    instance = await launch_js(f"module.exports = function (input) {{ {LATER[kind]} }}")
    await api.input(instance, b"last ", **{"x-end-stream": "false"})
    await stop(api, instance)
    assert await verdict(api, instance) == STOPPED
    output = await api.read(f"{instance}/output")
    assert b"".join(output.replace(b'"', b"").split(b"\n")) == b"last words"


ACCEPTED = {
    "text": ("text/plain", b"one\ntwo", b"one\ntwo"),
    "ndjson, the last record cut off": ("application/x-ndjson", b'1\n{"a"', b"1\n"),
    "a document": ("application/json", b"[\n1\n]", b"[1]\n"),
    "bytes": ("application/octet-stream", b"x" * 5, b"xxxxx"),
    "much": ("text/plain", b"x" * 3_000_000, b"x" * 3_000_000),
}


@pytest.mark.parametrize("kind", ACCEPTED)
async def test_what_was_accepted_before_a_stop_is_processed(kind, launch_js, api):
    content_type, data, expected = ACCEPTED[kind]
    instance = await launch_js("module.exports = function (input) { this.addStopHandler(() => {}); return input }")
    reading = asyncio.ensure_future(api.read(f"{instance}/output"))
    await api.input(instance, io.BytesIO(data), content_type, **{"x-end-stream": "false"})
    await stop(api, instance)
    assert await verdict(api, instance) == STOPPED
    assert await reading == expected


async def test_a_sender_that_goes_on_does_not_hold_a_stop_up(launch_js, api):
    async def endless():
        while True:
            yield b"x" * 65536

    instance = await launch_js("""
        module.exports = async function* (input) {
            this.addStopHandler(() => {});
            let size = 0;
            for await (const chunk of input) size += chunk.length;
            yield size > 0 ? "summed" : "nothing";
        }""")
    sending = asyncio.ensure_future(api.input(instance, endless()))
    await api.until(f"{instance}/health", lambda health: health["traffic"]["input"] > 1_000_000)
    await stop(api, instance, timeout=100_000)
    assert await verdict(api, instance) == STOPPED
    assert await api.read(f"{instance}/output") == b'"summed"\n'
    sending.cancel()


async def test_a_sequence_that_fails_after_its_stop_handlers_has_failed(launch_js, api):
    instance = await launch_js("""
        module.exports = function () {
            return new Promise((_, fail) => this.addStopHandler(() => setTimeout(fail, 50, new Error("late"))));
        }""")
    await stop(api, instance)
    info = await api.ended(instance)
    assert (info["status"], info["terminated"]["exitcode"], info["error"]) == ("errored", 23, "Error: late")


async def test_a_sequence_that_goes_on_after_its_stop_handlers_is_ended_within_the_timeout(launch_js, api):
    instance = await launch_js("""
        module.exports = async function* () {
            this.addStopHandler(() => {});
            try { for (;;) { yield 1; await new Promise((go) => setTimeout(go, 5)) } } finally { console.log("clean") }
        }""")
    await stop(api, instance, timeout=1000)
    assert await verdict(api, instance) == STOPPED
    assert await api.read(f"{instance}/stdout") == b"clean\n"


async def test_keep_alive(launch_js, api):
    instance = await launch_js("""
        module.exports = function (input) {
            this.addStopHandler((timeout, can) => { this.keepAlive(100) });
            return input;
        }""")
    await stop(api, instance, can_keep_alive=True)
    assert (await api.get(instance)).json["status"] == "running"
    await stop(api, instance)
    assert await verdict(api, instance) == STOPPED


async def test_kill_handlers(launch_js, api):
    instance = await launch_js("""
        module.exports = function (input) {
            this.addKillHandler(() => console.log("killed"));
            this.addKillHandler(() => { throw new Error("bad handler") });
            this.addKillHandler(() => new Promise(() => {}));
            return input;
        }""")
    assert (await api.post(f"{instance}/_kill")).status == 202
    assert await verdict(api, instance) == KILLED
    assert await api.read(f"{instance}/stdout") == b"killed\n"


async def test_monitoring_handlers(launch_js, api):
    instance = await launch_js("""
        module.exports = function (input) {
            let count = 0;
            this.addMonitoringHandler(() => ({ count: ++count, healthy: count < 3 }));
            this.addMonitoringHandler(async () => true);
            this.addMonitoringHandler((health) => ({ seen: health.count }));
            return input;
        }""")
    await api.post(f"{instance}/_monitoring_rate", [4003, {"monitoringRate": 100}])
    health = await api.until(f"{instance}/health", lambda health: health.get("count", 0) >= 3)
    assert health["healthy"] is False
    assert health["seen"] == health["count"]


async def test_a_monitoring_handler_that_fails(launch_js, api):
    instance = await launch_js("""
        module.exports = function (input) {
            this.addMonitoringHandler(() => { throw new Error("ill") });
            return input;
        }""")
    await api.post(f"{instance}/_monitoring_rate", [4003, {"monitoringRate": 100}])
    health = await api.until(f"{instance}/health", lambda health: not health["healthy"])
    assert health["error"] == "Error: ill"


async def test_logger(js, api, log):
    _, info = await js("""
        module.exports = function () {
            for (const level of ["trace", "debug", "info", "warn", "error", "fatal"]) this.logger[level](level);
            const cycle = {}; cycle.self = cycle;
            this.logger.info("more", { a: 1 }, 2, cycle);
            this.logger.info({ an: "object" });
        }""")
    entries = await log(f"/instance/{info['id']}")
    levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
    assert [(entry["level"], entry["msg"]) for entry in entries[:6]] == [(level, level.lower()) for level in levels]
    assert all(entry["from"] == "Sequence" and entry["ts"] > 1e12 for entry in entries)
    assert entries[6]["data"] == [{"a": 1}, 2, "[object Object]"]
    assert entries[7]["msg"] == '{"an":"object"}'


async def test_end_and_destroy(launch_js, api):
    ended = await launch_js(
        "module.exports = function (input) { setTimeout(() => this.end(), 10); return ['a', new Promise(() => {})] }"
    )
    assert await verdict(api, ended) == ("completed", {"exitcode": 0, "reason": "Instance completed"})
    assert await api.read(f"{ended}/output") == b'"a"\n'
    destroyed = await launch_js(
        "module.exports = function (input) { setTimeout(() => this.destroy(new Error('enough')), 10); return input }"
    )
    info = await api.ended(destroyed)
    assert (info["terminated"]["exitcode"], info["error"]) == (23, "Error: enough")


async def test_what_is_left_running_has_the_exit_timeout(js, api):
    _, info = await js("""
        module.exports = function () {
            this.exitTimeout = 5000;
            setTimeout(() => console.log("done later"), 50);
            return [];
        }""")
    assert info["terminated"]["exitcode"] == 0
    assert await api.read(f"/instance/{info['id']}/stdout") == b"done later\n"


async def test_without_exit_timeout_the_end_is_the_end(js, api):
    _, info = await js("module.exports = function () { setInterval(() => {}, 1000); return ['a'] }")
    assert info["terminated"]["exitcode"] == 0


async def test_a_sequence_that_provides_a_topic(launch_js, api):
    await launch_js("""
        module.exports = () => {
            const stream = require("stream").Readable.from([{ n: 1 }, { n: 2 }]);
            return Object.assign(stream, { topic: "numbers", contentType: "application/x-ndjson" });
        }""")
    async with api.session.get(f"{api.url}/topic/numbers") as response:
        assert await response.content.readexactly(16) == b'{"n":1}\n{"n":2}\n'


async def test_a_sequence_that_requires_a_topic(launch_js, api):
    instance = await launch_js("""
        module.exports = [
            { requires: "names", contentType: "text/plain" },
            (input) => input.map((text) => text.toUpperCase()),
        ]""")
    assert (await api.get(instance)).json["requires"] == "names"
    await api.post("/topic/names", b"ada\n", content_type="text/plain")
    async with api.session.get(f"{api.url}{instance}/output") as response:
        assert await response.content.readexactly(4) == b"ADA\n"
    assert (await api.input(instance, b"x")).status == 405
