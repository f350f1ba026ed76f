"""The life of Instances is the same in any runtime: the processes of this machine, and one that is none of ours."""

import json
import signal

import aiohttp
import pytest

from plain_runtime import PlainRuntime
from transform_hub.hub.runtimes.process import ProcessRuntime
from transform_hub.hub.runtimes.runtime import Exit
from transform_hub.hub.server import serve

UPPER = """
async def run(context, input):
    print("ready", flush=True)
    async for line in input:
        if line.strip() == "raise":
            raise ValueError("told to")
        yield line.upper()
"""


class Processes(ProcessRuntime):
    """Processes of this machine; losing one is told as another machine's runtime would tell it."""

    def __init__(self, *, room=100, **options):
        self._room, self.lost = room, set()
        super().__init__(
            shortage=lambda: f"{len(self._pids)} run" if len(self._pids) >= self._room else None, **options
        )

    async def launch(self, order, on_exit):
        def tell(exit_):
            on_exit(Exit(lost=True) if order.id in self.lost else exit_)

        await super().launch(order, tell)

    def lose(self, instance_id):
        self.lost.add(instance_id)
        self.kill(instance_id)


RUNTIMES = {
    "zygote": Processes,
    "spawn": lambda **options: Processes(zygote=False, **options),
    "plain": PlainRuntime,
}


@pytest.fixture(params=RUNTIMES)
def make_runtime(request):
    return RUNTIMES[request.param]


@pytest.fixture
async def start_hub(tmp_path, make_runtime, api_of, package):
    """Starts a Hub with a runtime; gives its API, the runtime and the Sequence ``UPPER``."""
    async with aiohttp.ClientSession() as session:
        hubs = []

        async def start(**options):
            runtime = make_runtime(**options)
            hubs.append(serving := serve(data_dir=tmp_path, retention_ms=60_000, runtime=runtime))
            api = api_of(await serving.__aenter__(), session)
            return api, runtime, await api.send(package(UPPER))

        yield start
        for serving in hubs:
            await serving.__aexit__(None, None, None)


async def test_from_start_to_end(start_hub):
    api, _, sequence = await start_hub()
    instance = await api.start(sequence)
    assert (await api.get(instance)).json["status"] == "running"
    assert (await api.input(instance, b"one\ntwo\n")).status == 200
    assert await api.read(f"{instance}/output") == b"ONE\nTWO\n"
    assert await api.read(f"{instance}/stdout") == b"ready\n"
    ended = await api.ended(instance)
    assert (ended["status"], ended["terminated"]) == ("completed", {"exitcode": 0, "reason": "Instance completed"})


async def test_what_a_start_gives(start_hub, package):
    api, _, _ = await start_hub()
    source = """
    import json, os
    async def run(context, input):
        (context.data_dir / "own").touch()
        (context.cache_dir / "shared").touch()
        yield json.dumps([os.environ["WORD"], dict(context.secrets), len(list(context.data_dir.iterdir()))])
    """
    instance = await api.start(await api.send(package(source)), env={"WORD": "é"}, secrets={"KEY": "hunter2"})
    assert json.loads(await api.read(f"{instance}/output")) == ["é", {"KEY": "hunter2"}, 1]


async def test_stop(start_hub):
    api, _, sequence = await start_hub()
    instance = await api.start(sequence)
    answer = await api.post(f"{instance}/_stop", {"timeout": 60_000, "canCallKeepalive": False})
    assert (answer.status, answer.json["terminated"]["exitcode"]) == (202, 138)


async def test_kill(start_hub):
    api, _, sequence = await start_hub()
    instance = await api.start(sequence)
    assert (await api.post(f"{instance}/_kill")).status == 202
    ended = await api.ended(instance)
    assert (ended["status"], ended["terminated"]["exitcode"]) == ("completed", 137)


async def test_kill_of_one_that_does_not_listen(start_hub, package):
    api, _, _ = await start_hub()
    busy = await api.send(package("def run(context, input):\n    while True: pass"))
    instance = await api.start(busy)
    assert (await api.post(f"{instance}/_kill")).status == 202
    assert (await api.ended(instance))["terminated"]["exitcode"] == 137


async def test_a_process_that_a_signal_ends(start_hub, package):
    api, _, _ = await start_hub()
    instance = await api.start(await api.send(package("import os\ndef run(context, input): os.kill(os.getpid(), 9)")))
    ended = await api.ended(instance)
    assert (ended["status"], ended["terminated"]["exitcode"]) == ("errored", 128 + signal.SIGKILL)
    assert ended["error"] == "Runner killed by SIGKILL"


async def test_a_crash_and_what_the_policy_makes_of_it(start_hub):
    api, _, sequence = await start_hub()
    instance = await api.start(sequence, restart={"policy": "on-failure", "maxRetries": 1, "delay": 10})
    async with api.session.get(f"{api.url}{instance}/output") as output:
        await api.input(instance, b"first\nraise\n", x_end_stream="false")
        assert await output.content.readline() == b"FIRST\n"
        await api.restarted(instance, 1)
        await api.input(instance, b"second\n", x_end_stream="false")
        assert await output.content.readline() == b"SECOND\n"
        await api.input(instance, b"raise\n")
        assert await output.content.read() == b""
    ended = await api.ended(instance)
    assert (ended["status"], ended["restarts"]) == ("errored", 1)
    assert "told to" in ended["error"]


async def test_a_start_for_which_there_is_no_room(start_hub):
    api, _, sequence = await start_hub(room=1)
    first = await api.start(sequence, restart={"policy": "on-failure", "delay": 10, "maxRetries": 1})
    refused = await api.post(f"/sequence/{sequence}/start", {})
    assert refused.status == 419
    assert refused.reason == "Insufficient Space on Resource"
    assert refused.json["error"].startswith("Insufficient Space on Resource: 1 run")
    assert [each["id"] for each in (await api.get("/instances")).json] == [first.rpartition("/")[2]]
    await api.input(first, b"raise\n")  # a restart takes the room of the run before
    await api.restarted(first, 1)


async def test_a_machine_that_is_lost(start_hub):
    api, runtime, sequence = await start_hub()
    instance = await api.start(sequence)
    runtime.lose(instance.rpartition("/")[2])
    ended = await api.ended(instance)
    assert (ended["status"], ended["terminated"]) == ("errored", {"exitcode": 213, "reason": "Runner failed"})
    assert ended["error"] == "Runner failed: the machine that it ran on is gone"
    assert await api.read(f"{instance}/output") == b""


async def test_one_that_was_lost_is_started_again_elsewhere(start_hub):
    api, runtime, sequence = await start_hub()
    instance = await api.start(sequence, restart={"policy": "on-failure", "delay": 10, "maxRetries": 1})
    runtime.lose(instance.rpartition("/")[2])
    await api.restarted(instance, 1)
    runtime.lost.clear()
    await api.input(instance, b"again\n")
    assert await api.read(f"{instance}/output") == b"AGAIN\n"


async def test_limits_that_a_runtime_can_not_hold_an_instance_to(start_hub):
    api, runtime, sequence = await start_hub()
    assert "processes" not in runtime.limits
    refused = await api.post(f"/sequence/{sequence}/start", {"limits": {"processes": 20}})
    assert (refused.status, refused.json["error"][:25]) == (400, "Invalid limits.processes:")


async def test_nothing_is_left_of_a_runner_that_has_ended(start_hub):
    api, runtime, sequence = await start_hub()
    instance = await api.start(sequence)
    await api.post(f"{instance}/_kill")
    await api.ended(instance)
    left = (getattr(runtime, name, {}) for name in ("processes", "_pids", "_launched_by"))
    assert not any(left)


async def test_the_end_of_the_hub_is_the_end_of_all(start_hub, make_runtime):
    api, runtime, sequence = await start_hub()
    for _ in range(3):
        await api.start(sequence)
    await api.hub.close()
    assert not (runtime.processes if make_runtime is PlainRuntime else runtime._pids)


class Refusing(PlainRuntime):
    """Fails in its own way at each launch."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    async def launch(self, order, on_exit):
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("the rack is on fire"), "No runner could be started: the rack is on fire"),
        (RuntimeError("oops"), "The runtime failed: RuntimeError('oops')"),
        (None, "The runner did not connect to the Hub within 0 s"),
    ],
)
async def test_a_runtime_that_fails_leaves_nothing(error, told, tmp_path, package, api_of, monkeypatch):
    monkeypatch.setattr("transform_hub.hub.instances.run.CONNECT_TIMEOUT", 0.1)
    monkeypatch.setattr("transform_hub.hub.instances.run.KILL_GRACE", 0.1)
    async with serve(data_dir=tmp_path, runtime=Refusing(error)) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        refused = await api.post(f"/sequence/{await api.send(package(UPPER))}/start", {})
        assert (refused.status, refused.json["error"]) == (400 if error is None else 500, told)
        assert hub.instances == {}
