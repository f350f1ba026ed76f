"""Sequences that say more than anybody reads: memory of runner and Hub stays where it is."""

import json

import psutil
import pytest

from processes import idle
from transform_hub.hub.link.control import CONTROL_LIMIT
from until import until

pytestmark = pytest.mark.slow

GROWTH = 64 << 20
"""Bytes that Hub or runner may grow by; what each Sequence here says is many times that."""

CHATTY = {
    "prints": """
        def run(context, input):
            for number in range(3000): print("x" * 100_000)
            context.emit("done")
            return input
    """,
    "errors": """
        import sys
        def run(context, input):
            for number in range(3000): print("x" * 100_000, file=sys.stderr)
            context.emit("done")
            return input
    """,
    "C library": """
        import os
        def run(context, input):
            for number in range(3000): os.write(1, b"x" * 100_000)
            context.emit("done")
            return input
    """,
    "output": """
        async def run(context, input):
            for number in range(3000): yield "x" * 100_000
    """,
    "logs": """
        async def run(context, input):
            for number in range(3000): context.logger.info("x" * 100_000)
            context.emit("done")
            await input.read()
    """,
    "large logs": """
        async def run(context, input):
            for number in range(30): context.logger.info("x" * 10_000_000)
            context.emit("done")
            await input.read()
    """,
    "events": """
        async def run(context, input):
            for number in range(3000): context.emit(f"name {number}", "x" * 100_000)
            context.emit("done")
            await input.read()
    """,
    "log without newline": """
        def run(context, input):
            for number in range(3000): context.logger.handlers[0]._sock.sendall(b"x" * 100_000)
            context.emit("done")
            input = open(0).read()
    """,
}


def memory(process):
    return process.memory_full_info().pss


@pytest.mark.parametrize("kind", CHATTY)
async def test_what_nobody_reads(kind, api, package):
    instance = await api.start(await api.send(package(CHATTY[kind])))
    hub, runner = psutil.Process(), psutil.Process((await api.get(f"{instance}/health")).json["processId"])
    before = memory(hub), memory(runner)
    if kind == "output":
        await until(lambda: api.instance(instance).streams["output"].is_held)
    else:
        assert (await api.get(f"{instance}/event/done")).status == 200
    await until(idle(runner))
    grown = [now - then for now, then in zip((memory(hub), memory(runner)), before, strict=True)]
    assert max(grown) < GROWTH, f"Hub {grown[0] / 1e6:.0f} MB, runner {grown[1] / 1e6:.0f} MB"
    assert (await api.get(instance)).json["status"] == "running"
    assert (await api.post(f"{instance}/_kill", {})).status == 202
    assert (await api.ended(instance))["terminated"]["exitcode"] == 137


async def accepts(api, instance, event):
    return (await api.post(f"{instance}/_event", event)).status == 200


async def test_events_for_a_runner_that_does_not_read(api, package):
    instance = await api.start(
        await api.send(
            package("""
                import os, signal
                def run(context, input):
                    context.emit("pid", os.getpid())
                    os.kill(os.getpid(), signal.SIGSTOP)
                    return input
            """)
        )
    )
    pid = (await api.get(f"{instance}/event/pid")).json
    hub, runner = psutil.Process(), psutil.Process(pid)
    await until(lambda: runner.status() == psutil.STATUS_STOPPED)
    before = memory(hub)
    event = [5001, {"eventName": "x", "message": "x" * 1_000_000}]
    for _ in range(200):
        answer = await api.post(f"{instance}/_event", event)
        if answer.status != 200:
            break
    assert answer.status == 503
    assert "does not read its events" in answer.json["error"]
    for _ in range(100):
        assert (await api.post(f"{instance}/_event", event)).status == 503
    assert memory(hub) - before < GROWTH + CONTROL_LIMIT
    runner.resume()
    await until(lambda: accepts(api, instance, event))
    await api.input(instance, b"works")
    assert await api.read(f"{instance}/output") == b"works"
    log = [json.loads(line)["msg"] for line in (await api.read(f"{instance}/log")).splitlines()]
    assert len([text for text in log if "does not read its events" in text]) == 1


async def test_a_slow_reader_of_events_holds_nobody(api, package):
    instance = await api.start(
        await api.send(
            package("""
                async def run(context, input):
                    async for line in input:
                        for number in range(300): context.emit("x", [number, "x" * 1_000_000])
                        context.emit("done")
            """)
        )
    )
    hub = psutil.Process()
    before = memory(hub)
    async with api.session.get(f"{api.url}{instance}/events/x") as stream:
        await api.input(instance, b"go\n", x_end_stream="false")
        assert (await api.get(f"{instance}/event/done")).status == 200
        assert memory(hub) - before < GROWTH
        await api.post(f"{instance}/_kill", {})
        numbers = [json.loads(line)[0] for line in (await stream.read()).splitlines()]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 299


@pytest.mark.parametrize("leaves", [True, False])
async def test_the_log_tells_of_a_reader_that_takes_nothing(leaves, api, package, monkeypatch):
    monkeypatch.setattr("transform_hub.hub.link.instance_streams.STALL", 0.2)
    instance = await api.start(await api.send(package(CHATTY["output"])))
    stuck = await api.session.get(f"{api.url}{instance}/output")
    async with api.session.get(f"{api.url}{instance}/log") as log:
        async for line in log.content:
            if "output has been full" in json.loads(line)["msg"]:
                break
        else:
            pytest.fail("The log tells nothing")
    async with api.session.get(f"{api.url}{instance}/output") as reader:
        await reader.content.readany()
        if leaves:
            stuck.close()  # and the other goes on
            await reader.content.readexactly(50_000_000)
    stuck.close()
