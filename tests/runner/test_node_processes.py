"""Processes of JavaScript Sequences: how they end, what they hold, and what is left of them."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys

import aiohttp
import psutil
import pytest

from processes import gone
from transform_hub.hub.runtimes import node
from transform_hub.hub.server import serve
from transform_hub.runner import nodejs
from until import until

SIZE = 60_000_000
GROWTH = 40_000_000


ENDS = {
    "throws": ("module.exports = () => { throw new RangeError('no') }", 23, "RangeError: no"),
    "rejects": ("module.exports = async () => { throw new Error('no') }", 23, "Error: no"),
    "throws no error": ("module.exports = () => { throw 'words' }", 23, "words"),
    "generator throws": ("module.exports = function* () { yield 1; throw new Error('late') }", 23, "Error: late"),
    "stream fails": (
        "const { Readable } = require('stream');"
        "module.exports = () => new Readable({ read() { this.destroy(new Error('broken')) } })",
        23,
        "Error: broken",
    ),
    "syntax": ("module.exports = (", 22, "SyntaxError: Unexpected end of input"),
    "missing module": ("require('nowhere')", 22, "Error: Cannot find module 'nowhere'"),
    "no function": ("module.exports = { a: 1 }", 22, "TypeError: main.js must export a function"),
    "array of others": ("module.exports = [() => 1, 'text']", 22, "TypeError: main.js must export a function"),
    "uncaught": (
        "module.exports = () => { setTimeout(() => { throw new Error('later') }, 5); return new Promise(() => {}) }",
        101,
        "Error: later",
    ),
    "unhandled": (
        "module.exports = () => { Promise.reject(new Error('nobody')); return new Promise(() => {}) }",
        101,
        "Error: nobody",
    ),
    "process.exit": ("module.exports = () => process.exit(7)", 7, "process.exit(7)"),
    "exit at load": ("process.exit(9)", 9, "process.exit(9)"),
}


@pytest.mark.parametrize("kind", ENDS)
async def test_failures(kind, js, api):
    source, code, error = ENDS[kind]
    _, info = await js(source)
    assert (info["status"], info["terminated"]["exitcode"]) == ("errored", code)
    assert info["error"].startswith(error)
    if not error.startswith("process"):
        assert error.encode() in await api.read(f"/instance/{info['id']}/stderr")


async def test_exit_0_of_its_own(js):
    _, info = await js("module.exports = () => process.exit(0)")
    assert (info["status"], info["terminated"]["exitcode"]) == ("completed", 0)


async def test_a_sequence_may_catch_what_nobody_else_does(js):
    output, info = await js("""
        module.exports = () => new Promise((done) => {
            process.on("uncaughtException", (error) => done(error.message));
            setTimeout(() => { throw new Error("mine") }, 5);
        });
    """)
    assert (output, info["terminated"]["exitcode"]) == (b"mine", 0)


async def test_output_before_a_failure_is_kept(js):
    output, _ = await js("module.exports = function* () { for (let i = 0; i < 1000; i++) yield i; throw new Error() }")
    assert output.count(b"\n") == 1000


async def test_kill_9(launch_js, api, process):
    instance = await launch_js("module.exports = (input) => input")
    (await process(instance)).send_signal(signal.SIGKILL)
    info = await api.ended(instance)
    assert info["terminated"] == {"exitcode": 137, "reason": "Runner killed by SIGKILL"}
    assert info["status"] == "errored"


async def test_kill_of_a_busy_loop_and_of_its_children(launch_js, api):
    instance = await launch_js("""
        const { spawn } = require("child_process");
        module.exports = function () {
            console.log(process.pid, spawn("sleep", ["1000"], { stdio: "inherit" }).pid);
            for (;;);
        }""")
    async with api.session.get(f"{api.url}{instance}/stdout") as stdout:
        processes = [psutil.Process(int(pid)) for pid in (await stdout.content.readline()).split()]
    await api.post(f"{instance}/_kill")
    assert (await api.ended(instance))["terminated"] == {"exitcode": 137, "reason": "Instance killed"}
    await gone(*processes)


async def test_standard_streams_are_those_of_the_process(launch_js, api):
    instance = await launch_js("""
        const { execSync } = require("child_process");
        const fs = require("fs");
        module.exports = function () {
            console.log("log"); console.error("error");
            fs.writeSync(1, "direct\\n");
            execSync("echo child; echo child >&2", { stdio: "inherit" });
        }""")
    assert await api.read(f"{instance}/stdout") == b"log\ndirect\nchild\n"
    assert await api.read(f"{instance}/stderr") == b"error\nchild\n"


@pytest.mark.slow
async def test_input_that_is_not_read(launch_js, api, process):
    instance = await launch_js("""
        module.exports = async function (input) {
            await new Promise((go) => this.on("go", go));
            let size = 0;
            for await (const part of input) size += part.length;
            return size;
        }""")
    runner = await process(instance)
    before = runner.memory_info().rss
    sending = asyncio.ensure_future(api.input(instance, io.BytesIO(b"x" * SIZE), "application/octet-stream"))
    await asyncio.wait({sending}, timeout=1)
    assert not sending.done()
    assert runner.memory_info().rss - before < GROWTH
    await api.post(f"{instance}/_event", [5001, {"eventName": "go"}])
    assert await api.read(f"{instance}/output") == str(SIZE).encode()
    assert (await sending).status == 200


@pytest.mark.slow
async def test_output_that_nobody_reads_is_held_back(launch_js, api, held_back):
    instance = await launch_js("module.exports = function* () { for (let i = 0; i < 60; i++) yield 'x'.repeat(1e6) }")
    await held_back(instance, "output")
    runner = psutil.Process(api.instance(instance).run.pid)
    assert runner.memory_info().rss < 110_000_000
    assert (await api.get(instance)).json["status"] in ("starting", "running")
    assert len(await api.read(f"{instance}/output")) >= SIZE
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0


async def test_a_log_in_a_tight_loop_is_not_piled_up(launch_js, api, process):
    instance = await launch_js("""
        module.exports = function () {
            for (let i = 0; i < 60; i++) this.logger.info("x".repeat(1e6));
            const { rss } = process.memoryUsage();
            return [rss];
        }""")
    assert int(await api.read(f"{instance}/output")) < 150_000_000
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0


async def test_without_zygote(tmp_path, api_of, package, launch_js):
    async with (
        serve(port=0, data_dir=tmp_path / "other", zygote=False) as hub,
        aiohttp.ClientSession() as session,
    ):
        api = api_of(hub, session)
        source = "module.exports = function (input) { console.log(this.config); return input }"
        archive = package(files={"main.js": source}, main="main.js", engines={"node": ">=18"})
        instance = await api.start(await api.send(archive), appConfig={"long": "x" * 300_000})
        await api.input(instance, b"text")
        assert await api.read(f"{instance}/output") == b"text"
        assert len(await api.read(f"{instance}/stdout")) > 9000
        assert (await api.ended(instance))["terminated"]["exitcode"] == 0


async def test_many_at_once(launch_js, api, package):
    sequence = await api.send(
        package(files={"main.js": "module.exports = (input, n) => [n]"}, main="main.js", engines={"node": "*"})
    )
    instances = await asyncio.gather(*(api.start(sequence, args=[n]) for n in range(12)))
    outputs = await asyncio.gather(*(api.read(f"{instance}/output") for instance in instances))
    assert [int(output) for output in outputs] == list(range(12))


HUB = """
import asyncio, sys
from transform_hub.hub.server import serve
from transform_hub.runner import nodejs
async def main():
    async with serve(port=0, data_dir=sys.argv[1]) as hub:
        print(hub.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("busy", [False, True])
async def test_no_orphan_is_left_of_a_hub_that_is_killed(busy, tmp_path, package, launch_js):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HUB, str(tmp_path / "killed"), stdout=subprocess.PIPE
    )
    url = (await process.stdout.readline()).decode().strip()
    loop = "for (;;);" if busy else "return input;"
    source = f"module.exports = function (input) {{ console.log(process.pid); {loop} }}"
    archive = package(files={"main.js": source}, main="main.js", engines={"node": ">=18"})
    async with aiohttp.ClientSession(headers={"content-type": "application/octet-stream"}) as session:
        sequence = (await (await session.post(f"{url}/sequence", data=archive)).json())["id"]
        started = await session.post(f"{url}/sequence/{sequence}/start", headers={"content-type": "application/json"})
        instance = (await started.json())["id"]
        async with session.get(f"{url}/instance/{instance}/stdout") as stdout:
            runner = psutil.Process(int(await stdout.content.readline()))
        helpers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        await process.wait()
    await gone(runner, *helpers)


@pytest.mark.parametrize(
    ("says", "words"),
    [("v12.22.0", "This Hub has Node.js 12.22.0: JavaScript Sequences need 18"), ("", "not a working")],
)
async def test_a_node_that_will_not_do(says, words, api, package, monkeypatch, tmp_path):
    (tmp_path / "node").write_text(f"#!/bin/sh\necho {says}\n")
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    sequence = await api.send(package(files={"a.js": "module.exports = () => {}"}, main="a.js", engines={"node": "*"}))
    answer = await api.post(f"/sequence/{sequence}/start", {})
    assert answer.status == 400
    assert words in answer.json["error"]


async def test_a_node_is_asked_for_its_version_once(monkeypatch, tmp_path):
    (tmp_path / "node").write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\necho v20.1.2\n")
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for _ in range(3):
        assert await node.find_node() == (str(tmp_path / "node"), "20.1.2")
    assert (tmp_path / "asked").read_text() == "asked\n"


async def test_a_link_over_tcp(tmp_path, launch_js):
    hellos = {}

    async def greet(reader, writer):
        hello = json.loads(await reader.readline())
        hellos[hello.pop("channel")] = hello
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    spec = {"id": "x", "secret": "s", "link": f"tcp:127.0.0.1:{port}", "hub": "http://127.0.0.1:1/api/v1"}
    (tmp_path / "spec").write_text(json.dumps(spec) + "\n")
    command = f"exec node {nodejs.PROGRAM} 3< {tmp_path / 'spec'}"
    process = await asyncio.create_subprocess_shell(command, start_new_session=True)
    await until(lambda: len(hellos) == 4)
    hello = {"instance": "x", "secret": "s", "pid": process.pid}
    assert hellos == dict.fromkeys(("control", "input", "output", "log"), hello)
    process.kill()
    await process.wait()
    server.close()
