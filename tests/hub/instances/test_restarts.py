"""Restart policies: when another run follows, what goes on over a restart and what does not."""

import asyncio
import contextlib
import json

import aiohttp
import psutil
import pytest

from transform_hub.errors import HubStartError
from transform_hub.hub.config import HubConfig
from transform_hub.hub.instances.exit_status import KILLED, ExitStatus
from transform_hub.hub.instances.restarts import Restarts, policy_of
from transform_hub.hub.server import serve
from transform_hub.hub.setup.startup import read_startup, start_all
from transform_hub.models import RestartPolicy, Terminated
from until import until

FAILED = ExitStatus("errored", Terminated(exitcode=23, reason="Sequence failed during execution"), "oops")
DONE = ExitStatus("completed", Terminated(exitcode=0, reason="Instance completed"))

QUICK = {"policy": "on-failure", "delay": 10, "maxDelay": 10}
SLOW = {"policy": "on-failure", "delay": 3_600_000, "maxDelay": 3_600_000}

FAILS_ON_ORDER = """
import os
def run(context, input):
    print("run of", os.getpid(), flush=True)
    async def each():
        yield b"begin "
        async for line in input:
            if line.strip() == "fail": raise ValueError("as told")
            if line.strip() == "die": os.kill(os.getpid(), 9)
            if line.strip() == "end": return
            yield line.encode()
    return each()
"""


def pauses(policy, *ends):
    """What follows one end after the other, each of (end, seconds it lasted)."""
    restarts = Restarts(policy_of(policy))
    return [restarts.pause("running", end, lasted) for end, lasted in ends]


def test_pauses_grow_up_to_the_longest():
    policy = {"policy": "on-failure", "delay": 100, "maxDelay": 1000}
    assert pauses(policy, *[(FAILED, 0)] * 6) == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert pauses({**policy, "delay": 5000}, (FAILED, 0)) == [1.0]


def test_a_run_that_lasted_begins_the_row_anew():
    policy = {"policy": "on-failure", "delay": 100, "maxRetries": 2, "resetAfter": 1000}
    ends = [(FAILED, 0), (FAILED, 0.9), (FAILED, 1), (FAILED, 0), (FAILED, 0)]
    assert pauses(policy, *ends) == [0.1, 0.2, 0.1, 0.2, None]


@pytest.mark.parametrize(
    ("policy", "of_failure", "of_end"),
    [("never", None, None), ("on-failure", 0.1, None), ("always", 0.1, 0.1), ("always:1", 0.1, 0.1)],
)
def test_what_is_followed(policy, of_failure, of_end):
    assert pauses(policy, (FAILED, 0)) == [of_failure]
    assert pauses(policy, (DONE, 0)) == [of_end]


@pytest.mark.parametrize("during", ["stopping", "killing"])
def test_nothing_follows_what_was_asked_for(during):
    for end in (FAILED, DONE, KILLED):
        assert Restarts(policy_of("always")).pause(during, end, 0) is None


def test_the_short_form():
    assert policy_of("on-failure:5") == RestartPolicy(policy="on-failure", max_retries=5)
    assert policy_of("always") == RestartPolicy(policy="always")


WRONG = [
    ("sometimes", "one of never, on-failure, on-failure:5, always and always:5, not 'sometimes'"),
    ("", "one of never"),
    ("never:3", "one of never"),
    ("on-failure:0", "one of never"),
    ("on-failure:٣", "one of never"),
    ("on-failure:5\n", "one of never"),
    ({}, "missing required field `policy`"),
    ({"policy": "unless-stopped"}, "Invalid enum value 'unless-stopped'"),
    ({"policy": "always", "maxRetrys": 3}, "unknown field `maxRetrys`"),
    ({"policy": "always", "maxRetries": 0}, "`int` >= 1"),
    ({"policy": "always", "delay": 0}, "`int` >= 10"),
    ({"policy": "always", "maxDelay": 1e300}, "Expected `int"),
    (5, "Expected `str | object | null`, got `int`"),
]


@pytest.mark.parametrize(("restart", "words"), WRONG)
async def test_a_policy_that_is_none_is_refused_and_starts_nothing(restart, words, api, package):
    sequence = await api.send(package(FAILS_ON_ORDER))
    answer = await api.post(f"/sequence/{sequence}/start", {"restart": restart})
    assert answer.status == 400
    assert answer.json["error"].startswith("Invalid restart format: ")
    assert words in answer.json["error"]
    assert (await api.get("/instances")).json == []


async def test_without_a_policy_nothing_is_told_of_restarts(api, package):
    instance = await api.start(await api.send(package("1 / 0")), restart=None)
    assert not {"restarts", "restartPolicy", "nextRestart"} & set(await api.ended(instance))


class Service:
    """An Instance that fails, dies and ends as it is told."""

    def __init__(self, api, path, reader):
        self.api, self.path, self.reader = api, path, reader

    async def info(self):
        return (await self.api.get(self.path)).json

    async def order(self, *lines):
        data = "".join(f"{line}\n" for line in lines).encode()
        with contextlib.suppress(aiohttp.ClientError):  # its runner may go before all is read
            await self.api.input(self.path, data, x_end_stream="false")

    async def running(self, restarts):
        return await self.api.restarted(self.path, restarts)

    async def waiting(self):
        return await self.api.until(self.path, lambda info: "nextRestart" in info)


@pytest.fixture
async def service(api, package):
    """Starts a Service with a policy; its output is read from the beginning."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(restart, source=FAILS_ON_ORDER, **request):
            path = await api.start(await api.send(package(source)), restart=restart, **request)
            response = await stack.enter_async_context(api.session.get(f"{api.url}{path}/output"))
            return Service(api, path, response.content)

        yield start


async def test_an_instance_that_fails_runs_again_as_itself(service, api):
    instance = await service({**QUICK, "maxRetries": 2})
    first = await instance.running(0)
    assert first["restartPolicy"] == {
        "policy": "on-failure", "maxRetries": 2, "delay": 10, "maxDelay": 10, "resetAfter": 10_000,
    }  # fmt: skip
    await instance.order("fail")
    second = await instance.running(1)
    await instance.order("die")
    await instance.running(2)
    assert (second["id"], second["created"]) == (first["id"], first["created"])
    assert second["started"] > first["started"]
    assert [each["id"] for each in (await api.get("/instances")).json] == [first["id"]]
    await instance.order("fail")
    last = await api.ended(instance.path)
    assert (last["status"], last["terminated"]["exitcode"], last["error"]) == ("errored", 23, "ValueError: as told")
    assert last["restarts"] == 2
    assert await instance.reader.read() == b"begin begin begin "


async def test_what_was_asked_for_is_told_in_the_log(service, api, caplog):
    instance = await service({**QUICK, "maxRetries": 1})
    await instance.order("die")
    await instance.running(1)
    await instance.order("end")
    await api.ended(instance.path)
    entries = [json.loads(line) for line in (await api.read(f"{instance.path}/log")).splitlines()]
    told = [(entry["level"], entry["msg"]) for entry in entries if "estart" in entry["msg"]]
    assert told == [
        ("WARN", "The Instance ended with exit code 137: Runner killed by SIGKILL; restart 1 of 1 follows in 0.01 s"),
        ("INFO", "Restart 1 of 1 begins"),
    ]
    assert "restart 1 of 1 follows" in caplog.text


async def test_always_follows_also_an_end(service, api):
    instance = await service({**QUICK, "policy": "always", "maxRetries": 1})
    await instance.order("end")
    await instance.running(1)
    await instance.order("end")
    info = await api.ended(instance.path)
    assert (info["status"], info["terminated"]["exitcode"], info["restarts"]) == ("completed", 0, 1)


async def test_on_failure_an_end_is_the_end(service, api):
    instance = await service(QUICK)
    await instance.order("end")
    info = await api.ended(instance.path)
    assert (info["status"], "restarts" in info) == ("completed", False)


@pytest.mark.parametrize("order", ["_stop", "_kill"])
async def test_stop_and_kill_are_the_end_also_while_a_restart_is_awaited(order, service, api):
    running = await service("always")
    await api.post(f"{running.path}/{order}", {})
    assert (await api.ended(running.path))["terminated"]["exitcode"] in (137, 138)

    waiting = await service(SLOW)
    await waiting.order("fail")
    assert (await waiting.waiting())["status"] == "initializing"
    await api.post(f"{waiting.path}/{order}", {})
    info = await waiting.info()
    assert (info["status"], info["terminated"]["exitcode"]) == ("completed", 137)
    assert "nextRestart" not in info
    assert await waiting.reader.read() == b"begin "


async def test_a_failure_on_the_way_to_a_stop_is_the_end(service, api):
    instance = await service(
        {**QUICK, "policy": "always"},
        """
        import asyncio
        async def run(context, input):
            stop = asyncio.Event()
            async def handler(timeout, can_keep_alive):
                stop.set()
                await asyncio.sleep(1000)
            context.set_stop_handler(handler)
            await stop.wait()
            1 / 0
        """,
    )
    info = (await api.post(f"{instance.path}/_stop", {"timeout": 60_000})).json
    assert (info["status"], info["terminated"]["exitcode"], "restarts" in info) == ("errored", 23, False)


async def test_after_a_stop_that_was_called_off_the_policy_holds(service, api):
    keeps_alive = FAILS_ON_ORDER.replace(
        "    async def each", "    context.set_stop_handler(lambda *_: context.keep_alive())\n    async def each"
    )
    instance = await service(QUICK, keeps_alive)
    assert (await api.post(f"{instance.path}/_stop", {"canCallKeepalive": True})).json["status"] == "running"
    await instance.order("fail")
    await instance.running(1)


async def test_a_sequence_is_in_use_while_a_restart_is_awaited(service, api):
    instance = await service(SLOW)
    await instance.order("fail")
    sequence = (await instance.waiting())["sequence"]["id"]
    assert (await api.call("DELETE", f"/sequence/{sequence}")).status == 409
    assert (await api.call("DELETE", f"/sequence/{sequence}", x_seq_kill_inst="true")).status == 200
    assert (await api.get("/instances")).json == []


async def test_the_hub_closes_while_a_restart_is_awaited(tmp_path, package, api_of):
    async with serve(data_dir=tmp_path) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        path = await api.start(await api.send(package("1 / 0")), restart=SLOW)
        assert (await api.get(path)).json["nextRestart"]
        instance = next(iter(hub.instances.values()))
    assert instance.status == "gone"
    assert instance.terminated == KILLED.terminated


async def test_while_a_restart_is_awaited_nothing_can_be_sent(service, api):
    instance = await service(SLOW)
    await instance.order("fail")
    await instance.waiting()
    for answer in (
        await api.input(instance.path, b"x"),
        await api.post(f"{instance.path}/stdin", b"x", content_type="application/octet-stream"),
        await api.post(f"{instance.path}/_event", [5001, {"eventName": "x"}]),
    ):
        assert answer.status == 409
        assert "The Instance is initializing: it can't take" in answer.json["error"]
    health = (await api.get(f"{instance.path}/health")).json
    assert (health["healthy"], health["processId"]) == (False, None)
    assert health["traffic"]["input"] == len("fail\n")


async def test_a_writer_of_input_learns_that_its_reader_is_gone(service, api):
    instance = await service(SLOW)

    async def body():
        yield b"fail\n"
        await instance.waiting()
        while True:
            yield b"more\n"
            await asyncio.sleep(0.001)

    with pytest.raises(aiohttp.ClientError):
        await api.call("POST", f"{instance.path}/input", body(), content_type="text/plain")


async def test_readers_of_all_streams_stay(service, api):
    source = """
        import sys
        def run(context, input):
            print("printed"); print("error", file=sys.stderr)
            context.logger.info("logged")
            context.emit("ran", 1)
            async def each():
                async for line in input:
                    yield line
                    raise ValueError
            return each()
    """
    instance = await service({**QUICK, "maxRetries": 2}, source)
    readers = [
        asyncio.ensure_future(api.read(f"{instance.path}/{name}")) for name in ("stdout", "stderr", "log", "events/ran")
    ]
    for number in range(3):
        await instance.running(number)
        await instance.order(f"line {number}")
    await api.ended(instance.path)
    printed, error, logged, _ = await asyncio.gather(*readers)
    assert await instance.reader.read() == b"line 0\nline 1\nline 2\n"
    assert (printed.count(b"printed\n"), error.count(b"error\n"), logged.count(b'"logged"')) == (3, 3, 3)


NUMBERED = """
import os
async def run(context, input):
    with open(context.config["file"], "a") as file: file.write("x")
    number = os.path.getsize(context.config["file"])
    {}
    os.kill(os.getpid(), 9)
"""


async def test_what_two_runs_wrote_does_not_mix_and_is_whole(tmp_path, package, api):
    """The tail of a run is more than the Hub holds: the next begins when it has been read."""
    source = NUMBERED.format('for _ in range(30): yield b"%d" % number * 100_000')
    path = await api.start(
        await api.send(package(source)),
        restart={**QUICK, "maxRetries": 2},
        appConfig={"file": str(tmp_path / "runs")},
    )
    async with api.session.get(f"{api.url}{path}/output") as response:
        await api.until(path, {"nextRestart", "restarts"}.intersection)  # how much a connection holds varies
        output = await response.content.read()
    assert output == b"1" * 3_000_000 + b"2" * 3_000_000 + b"3" * 3_000_000


async def test_a_process_that_a_run_left_behind_does_not_hold_up_the_next(tmp_path, package, api):
    left = 'import subprocess; print(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid, flush=True)'
    source = NUMBERED.format(left + '\n    yield b"%d" % number * 100_000')
    path = await api.start(
        await api.send(package(source)), restart={**QUICK, "maxRetries": 1}, appConfig={"file": str(tmp_path / "runs")}
    )
    assert await api.read(f"{path}/output") == b"1" * 100_000 + b"2" * 100_000
    for pid in (await api.read(f"{path}/stdout")).split():
        await until(lambda pid=int(pid): not psutil.pid_exists(pid))  # it ends with the run that has started it


@pytest.mark.parametrize(("ending", "left"), [("1 / 0", b"x" * 100_000), ("os.kill(os.getpid(), 9)", b"")])
async def test_topics_are_connected_again(ending, left, api, package):
    """A line that a run has begun counts if it was not cut off; text gets no newline that nobody has written."""
    source = f"""
        import os
        provides = {{"provides": "out", "contentType": "text/plain"}}
        requires = {{"requires": "in", "contentType": "text/plain"}}
        async def run(context, input):
            async for line in input:
                if line.startswith("line"):
                    yield line
                else:
                    yield "x" * 100_000
                    {ending}
    """
    path = await api.start(await api.send(package(source)), restart=QUICK)
    service = Service(api, path, None)

    async def say(line):
        answer = await api.post("/topic/in", line, content_type="text/plain")
        assert answer.status in (200, 202)

    async with api.session.get(f"{api.url}/topic/out", headers={"content-type": "text/plain"}) as out:
        for number in range(3):
            info = await service.running(number)
            assert (info["provides"], info["requires"]) == ("out", "in")
            await say(f"line {number}\n")
            line = b"line %d\n" % number
            expected = left + line if number else line
            assert await out.content.readexactly(len(expected)) == expected
            await say("fail\n")


async def test_a_start_without_a_runner_is_refused_whatever_the_policy(hub, api, package):
    sequence = await api.send(package(FAILS_ON_ORDER))

    async def launch(order, on_exit):
        raise OSError(2, "No such file or directory")

    hub.runtime.launch = launch
    answer = await api.post(f"/sequence/{sequence}/start", {"restart": "always"})
    assert answer.status == 500
    assert hub.instances == {}


async def test_a_runner_that_can_not_be_started_again_counts_as_a_failure(hub, service, api):
    instance = await service({**QUICK, "maxRetries": 3})

    async def launch(order, on_exit):
        raise OSError(11, "Resource temporarily unavailable")

    hub.runtime.launch = launch
    await instance.order("fail")
    info = await api.ended(instance.path)
    assert (info["restarts"], info["terminated"]["exitcode"]) == (3, 213)
    assert info["error"] == "No runner could be started: Resource temporarily unavailable"


async def test_the_policy_of_the_hub_is_that_of_instances_without_one(tmp_path, package, api_of):
    async with serve(data_dir=tmp_path, restart_policy="on-failure:1") as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        sequence = await api.send(package("1 / 0"))
        assert (await api.ended(await api.start(sequence)))["restarts"] == 1
        assert "restarts" not in await api.ended(await api.start(sequence, restart="never"))


def test_a_hub_with_a_policy_that_is_none_does_not_start(tmp_path):
    with pytest.raises(HubStartError, match="restart policy must be one of never"):
        HubConfig(data_dir=tmp_path, restart_policy="sometimes").check()


async def test_a_startup_configuration_has_policies(hub, api, tmp_path, package):
    (tmp_path / "fails.tar.gz").write_bytes(package("1 / 0"))
    startup = tmp_path / "startup.json"

    def read(restart):
        startup.write_text(json.dumps({"sequences": [{"path": "fails.tar.gz", "restart": restart}]}))
        return read_startup(startup, tmp_path, hub.config.limits)

    with pytest.raises(HubStartError, match=r"sequences\[0\].restart: one of never"):
        read("sometimes")
    parts = {"sequences": hub.sequences, "instances": hub.instances, "topics": hub.topics}
    assert await start_all(read({**QUICK, "maxRetries": 2}), **parts) == 1
    assert (await api.ended(f"/instance/{next(iter(hub.instances))}"))["restarts"] == 2
