"""Every way through the states of an Instance, walked by real runners; and that no other way is taken."""

import asyncio
import contextlib
import inspect
import itertools
import os
import signal
import sys

import aiohttp
import psutil
import pytest

from transform_hub.hub.instances.lifecycle import TRANSITIONS, Lifecycle
from transform_hub.hub.runtimes.process import ProcessRuntime
from transform_hub.hub.server import serve
from until import until

ID = "i" * 36
PATH = f"/instance/{ID}"
KILLED = {"exitcode": 137, "reason": "Instance killed"}
DIED = {"exitcode": 137, "reason": "Runner killed by SIGKILL"}

ECHO = "def run(context, input): return input"
FAILS_WITH_INPUT = "async def run(context, input):\n    async for line in input: 1 / 0"
LOADS_FOR_EVER = "import time; time.sleep(1000)\ndef run(context, input): pass"
STOPS_NEVER = """
import asyncio
def run(context, input):
    async def handler(timeout, can_keep_alive): await asyncio.sleep(1000)
    context.set_stop_handler(handler)
    return input
"""
STOPS_BY_ITSELF = """
import asyncio
async def run(context, input):
    stop = asyncio.Event()
    async def handler(timeout, can_keep_alive):
        stop.set()
        await asyncio.sleep(1000)
    context.set_stop_handler(handler)
    await stop.wait()
    {}
"""
KEEPS_ALIVE = """
def run(context, input):
    async def handler(timeout, can_keep_alive): await context.keep_alive()
    context.set_stop_handler(handler)
    return input
"""
FAILS_AND_FREEZES = """
import os, signal
def run(context, input):
    context.emit("now")
    context._send({"type": "exit", "code": 23, "error": "oops"})
    os.kill(os.getpid(), signal.SIGSTOP)
"""

ILLEGAL = [(start, end) for start in TRANSITIONS for end in TRANSITIONS if end not in TRANSITIONS[start]]


@pytest.fixture(autouse=True)
def walked(monkeypatch):
    """The states that were entered, one after the other, and those that were refused."""
    ways = {"entered": ["initializing"], "refused": []}
    enter = Lifecycle.enter

    def record(self, status):
        before, entered = self.status, enter(self, status)
        if entered:
            ways["entered"].append(status)
        else:
            ways["refused"].append((before, status))
        return entered

    monkeypatch.setattr(Lifecycle, "enter", record)
    return ways


@pytest.fixture(autouse=True)
def short_grace(monkeypatch):
    monkeypatch.setattr("transform_hub.hub.instances.run.KILL_GRACE", 0.2)


@pytest.fixture
async def hub(tmp_path, request):
    """A Hub whose runners take a moment to dial: each is an interpreter of its own."""
    async with serve(port=0, data_dir=tmp_path / "hub", retention_ms=60_000, zygote=False) as running:
        yield running


@pytest.fixture
async def walk(api, package, hub):
    return Walk(api, package, hub)


class Walk:
    """Puts an Instance of a fixed id into a state."""

    def __init__(self, api, package, hub):
        self.api, self.package, self.hub = api, package, hub
        self.starting = None

    @property
    def instance(self):
        return self.hub.instances[ID]

    @property
    def runner(self):
        return psutil.Process(self.hub.instances.runtime._pids[ID])

    async def start(self, source=ECHO, **request):
        sequence = await self.api.send(self.package(source))
        request = {"instanceId": ID, **request}
        self.starting = asyncio.ensure_future(self.api.post(f"/sequence/{sequence}/start", request))
        await until(lambda: ID in self.hub.instances or self.starting.done(), pause=0)

    async def until(self, status):
        await until(lambda: self.instance.status == status, pause=0.001)

    async def initializing(self):
        await self.start()
        await until(lambda: ID in self.hub.instances.runtime._pids, pause=0)
        assert self.instance.status == "initializing"

    async def starting_(self):
        await self.start(LOADS_FOR_EVER)
        await self.until("starting")

    async def running(self, source=ECHO, **request):
        await self.start(source, **request)
        assert (await self.starting).status == 200
        assert self.instance.status == "running"

    async def stopping(self, source=STOPS_NEVER):
        await self.running(source)
        stop = asyncio.ensure_future(self.stop())
        await self.until("stopping")
        return stop

    async def killing(self, source=FAILS_AND_FREEZES):
        await self.running(source)
        await self.api.get(f"{PATH}/event/now")
        await until(lambda: self.runner.status() == psutil.STATUS_STOPPED)
        await self.kill()
        assert self.instance.status == "killing"

    async def stop(self, timeout=60_000, can_keep_alive=False):  # noqa: FBT002 - as on the wire
        return await self.api.post(f"{PATH}/_stop", {"timeout": timeout, "canCallKeepalive": can_keep_alive})

    async def kill(self, **options):
        assert (await self.api.post(f"{PATH}/_kill", options)).status == 202

    async def refused(self, words):
        answer = await self.starting
        assert answer.status == 400
        assert words in answer.json["error"]
        assert (await self.api.get(PATH)).status == 404

    async def ended(self, code):
        info = await self.api.ended(PATH)
        assert info["terminated"]["exitcode"] == code
        return info


# One function per way, named after it.


RESTART = {"policy": "on-failure", "delay": 10, "maxRetries": 1}


async def initializing_initializing(walk):
    """The first run fails, and the runner of the second never comes."""
    await walk.running(
        "async def run(context, input):\n    async for line in input: 1 / 0", restart=RESTART | {"maxRetries": 2}
    )
    walk.hub.instances.runtime.launch = Script("raise SystemExit(213)").launch
    await walk.api.input(PATH, b"x\n")
    assert (await walk.ended(213))["restarts"] == 2


async def initializing_starting(walk):
    await walk.running()


async def initializing_killing(walk):
    await walk.initializing()
    await walk.kill()
    await walk.refused("did not connect")


async def initializing_completed(walk):
    walk.hub.instances.runtime = Script("pass")
    await walk.start()
    await walk.refused("did not connect")


async def initializing_errored(walk):
    walk.hub.instances.runtime = Script("import os; os.kill(os.getpid(), 9)")
    await walk.start()
    await walk.refused("Runner killed by SIGKILL")


async def initializing_gone(walk):
    walk.hub.instances.runtime = Script("pass", interpreter="/nonexistent/python")
    await walk.start()
    answer = await walk.starting
    assert (answer.status, answer.json) == (500, {"error": "No runner could be started: No such file or directory"})


async def starting_initializing(walk):
    await walk.start("1 / 0", restart=RESTART)
    assert (await walk.ended(22))["restarts"] == 1


async def starting_running(walk):
    await walk.running("import time; time.sleep(0.1)\n" + ECHO)


async def starting_stopping(walk):
    await walk.starting_()
    assert (await walk.stop(timeout=0)).json["terminated"] == KILLED


async def starting_killing(walk):
    await walk.starting_()
    await walk.kill()
    assert (await walk.ended(137))["terminated"] == KILLED
    assert (await walk.starting).status == 200


async def starting_completed(walk):
    await walk.start("import sys; sys.exit(0)")
    await walk.ended(0)


async def starting_errored(walk):
    await walk.start("1 / 0")
    assert (await walk.ended(22))["error"] == "ZeroDivisionError: division by zero"


async def starting_gone(walk):
    await walk.starting_()
    walk.instance.discard()
    await walk.starting


async def running_initializing(walk):
    await walk.running(FAILS_WITH_INPUT, restart=RESTART)
    await walk.api.input(PATH, b"x\n")
    await walk.until("initializing")
    await walk.until("running")
    await walk.api.input(PATH, b"x\n")
    assert (await walk.ended(23))["restarts"] == 1


async def running_stopping(walk):
    await walk.running()
    assert (await walk.stop()).json["terminated"] == {"exitcode": 138, "reason": "Instance stopped"}


async def running_killing(walk):
    await walk.running()
    await walk.kill()
    assert (await walk.ended(137))["terminated"] == KILLED


async def running_completed(walk):
    await walk.running()
    await walk.api.input(PATH, b"")
    await walk.ended(0)


async def running_errored(walk):
    await walk.running(FAILS_WITH_INPUT)
    await walk.api.input(PATH, b"x\n")
    await walk.ended(23)


async def running_gone(walk):
    await walk.running()
    walk.instance.discard()


async def stopping_running(walk):
    await walk.running(KEEPS_ALIVE)
    assert (await walk.stop(can_keep_alive=True)).json["status"] == "running"
    await walk.api.input(PATH, b"goes on")
    assert await walk.api.read(f"{PATH}/output") == b"goes on"


async def stopping_killing(walk):
    stop = await walk.stopping()
    await walk.kill()
    assert (await stop).json["terminated"] == KILLED


async def stopping_completed(walk):
    stop = await walk.stopping(STOPS_BY_ITSELF.format("yield 'end'"))
    assert (await stop).json["terminated"]["exitcode"] == 0
    assert await walk.api.read(f"{PATH}/output") == b"end"


async def stopping_errored(walk):
    stop = await walk.stopping(STOPS_BY_ITSELF.format("1 / 0"))
    assert (await stop).json["terminated"]["exitcode"] == 23


async def stopping_gone(walk):
    stop = await walk.stopping()
    walk.instance.discard()
    assert (await stop).json["status"] == "gone"


async def killing_completed(walk):
    await walk.killing(FAILS_AND_FREEZES.replace('context._send({"type": "exit", "code": 23, "error": "oops"})', ""))
    assert (await walk.ended(137))["terminated"] == KILLED


async def killing_errored(walk):
    """It had said that it failed before the kill ended it: that is how it ended."""
    await walk.killing()
    assert (await walk.ended(23))["error"] == "oops"


async def killing_gone(walk):
    await walk.killing()
    walk.instance.discard()


async def completed_gone(walk):
    await walk.running()
    await walk.stop()
    await walk.kill(removeImmediately=True)
    assert (await walk.api.get(PATH)).status == 404


async def errored_gone(walk):
    await walk.start("1 / 0")
    await walk.ended(22)
    await walk.kill(removeImmediately=True)
    assert (await walk.api.get(PATH)).status == 404


class Script(ProcessRuntime):
    """Starts another program where the runner should be."""

    def __init__(self, code, interpreter=sys.executable):
        super().__init__(zygote=False)
        self.command = (interpreter, "-c", code)

    async def launch(self, order, on_exit):
        process = await asyncio.create_subprocess_exec(*self.command)
        self._pids[order.id] = process.pid
        self._watching.add(asyncio.ensure_future(self._watch_process(process, order.id, on_exit)))


WAYS = {(start, end) for start, ends in TRANSITIONS.items() for end in ends}
WALKS = {
    tuple(name.split("_")): walk
    for name, walk in list(globals().items())
    if inspect.iscoroutinefunction(walk) and walk.__module__ == __name__ and not name.startswith("test_")
}


def test_every_way_has_a_walk():
    assert set(WALKS) == WAYS


@pytest.mark.parametrize("way", sorted(WAYS), ids="-".join)
async def test_a_way(way, walk, walked):
    await WALKS[way](walk)
    if walk.starting is not None:
        await walk.starting
    entered = walked["entered"]
    assert way in set(itertools.pairwise(entered))


@pytest.mark.parametrize(("start", "end"), ILLEGAL, ids=lambda state: state)
def test_no_other_way_is_taken(start, end):
    seen = []
    life = Lifecycle(seen.append)
    life.status = start
    assert not life.enter(end)
    assert (life.status, seen) == (start, [])


async def test_a_runner_that_is_killed_from_outside_before_it_dialled(walk):
    await walk.initializing()
    walk.runner.kill()
    await walk.refused("Runner killed by SIGKILL")


@pytest.mark.parametrize("state", ["starting_", "running", "stopping"])
async def test_a_runner_that_is_killed_from_outside(state, walk):
    stop = await getattr(walk, state)()
    walk.runner.kill()
    assert (await walk.ended(137))["terminated"] == DIED
    assert (await walk.starting).status == 200
    if stop is not None:
        assert (await stop).json["terminated"] == DIED


async def test_a_runner_that_is_killed_from_outside_while_it_is_being_killed(walk):
    await walk.killing(FAILS_AND_FREEZES.replace('context._send({"type": "exit", "code": 23, "error": "oops"})', ""))
    walk.runner.kill()
    assert (await walk.ended(137))["terminated"] == KILLED


async def test_what_half_way_was_written_is_there_after_kill_9(walk):
    await walk.running("""
import os
async def run(context, input):
    for number in range(100): yield b"%099999d\\n" % number
    os.kill(os.getpid(), 9)
""")
    output = await walk.api.read(f"{PATH}/output")
    assert output.split() == [b"%099999d" % number for number in range(100)]
    assert (await walk.ended(137))["terminated"] == DIED


@pytest.mark.parametrize("turns", range(6))
async def test_exit_and_kill_at_the_same_time(turns, walk, walked):
    """However they meet: one end, one answer, no exception."""
    await walk.running("async def run(context, input):\n    async for line in input: return")
    await walk.api.input(PATH, b"x\n")
    for _ in range(turns * 20):
        await asyncio.sleep(0)
    await asyncio.gather(walk.kill(), walk.stop(timeout=100), walk.kill(), walk.stop(timeout=0))
    info = await walk.api.ended(PATH)
    assert info["status"] == "completed"
    assert info["terminated"]["exitcode"] in (0, 137, 138)
    assert len([state for state in walked["entered"] if state in ("completed", "errored")]) == 1


async def test_the_hub_closes_with_an_instance_in_every_state(tmp_path, package, api_of):
    with contextlib.ExitStack() as stack:
        async with serve(data_dir=tmp_path, zygote=False) as hub, aiohttp.ClientSession() as session:
            api = api_of(hub, session)
            sequences = [await api.send(package(source)) for source in (ECHO, LOADS_FOR_EVER, STOPS_NEVER, "1 / 0")]
            instances = [await api.start(sequence) for sequence in (sequences[0], sequences[2], sequences[3])]
            calls = [
                asyncio.ensure_future(api.post(f"/sequence/{sequences[1]}/start", {})),
                asyncio.ensure_future(api.post(f"{instances[1]}/_stop", {"timeout": 60_000})),
            ]
            await api.status(instances[1], "stopping")
            await until(lambda: "starting" in [instance.status for instance in hub.instances.values()])
            pids = list(hub.runtime._pids.values())
            stack.callback(lambda: [call.cancel() for call in calls])
        await asyncio.gather(*calls, return_exceptions=True)
    assert len(pids) == 3
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


STREAMS = {"output": b"out", "stdout": b"printed\n", "stderr": b"error\n", "log": b'"msg":"logged"'}


@pytest.mark.parametrize(("always", "retention_ms"), [(0, 1500), (1.5, 0)])
async def test_the_tail_of_all_streams_is_kept_and_then_gone(
    monkeypatch, tmp_path, package, api_of, always, retention_ms
):
    monkeypatch.setattr("transform_hub.hub.instances.instance.ALWAYS_KEPT", always)
    async with serve(data_dir=tmp_path, retention_ms=retention_ms) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        instance = await api.start(
            await api.send(
                package("""
                    import sys
                    def run(context, input):
                        print("printed")
                        print("error", file=sys.stderr)
                        context.logger.info("logged")
                        return "out"
                """)
            )
        )
        await api.ended(instance)
        for stream, text in STREAMS.items():
            assert text in await api.read(f"{instance}/{stream}")
        for stream in ("output", "stdout", "stderr"):
            assert await api.read(f"{instance}/{stream}") == b""  # read is gone
        await api.answers(instance, 404)
        for stream in STREAMS:
            assert (await api.get(f"{instance}/{stream}")).status == 404
        assert (await api.post(f"{instance}/_kill", {})).status == 404


async def test_an_ended_instance_is_there_for_15_seconds_and_the_retention_unless_it_is_removed(
    monkeypatch, tmp_path, package, api_of
):
    timers = []
    loop = asyncio.get_running_loop()
    call_later = loop.call_later
    monkeypatch.setattr(loop, "call_later", lambda *given: timers.append(given[:2]) or call_later(*given))
    async with serve(data_dir=tmp_path, retention_ms=100) as hub, aiohttp.ClientSession() as session:
        api = api_of(hub, session)
        instance = await api.start(await api.send(package("def run(context, input): pass")))
        await api.ended(instance)
        (kept,) = hub.instances.values()
        assert [delay for delay, what in timers if what == kept.discard] == [15.1]
        await api.post(f"{instance}/_kill", {"removeImmediately": True})
        assert (await api.get(instance)).status == 404


GARBAGE = {
    "unknown": '{"type": "unknown"}',
    "no type": "{}",
    "no object": "[1]",
    "a number": "5",
    "an event without name": '{"type": "event"}',
    "an event of another type": '{"type": "event", "eventName": 5}',
    "health that is none": '{"type": "health", "health": []}',
    "a topic that is none": '{"type": "topic", "provides": {"topic": 5}}',
    "an exit without code": '{"type": "exit", "code": "x"}',
}


SAYS = """
def run(context, input):
    context._send.__self__._sock.sendall({} + b"\\n")
    context.emit("sent")
    return input
"""


@pytest.mark.parametrize("kind", GARBAGE)
async def test_messages_that_mean_nothing_are_ignored(kind, walk):
    await walk.running(SAYS.format(GARBAGE[kind].encode()))
    await walk.api.get(f"{PATH}/event/sent")
    assert (await walk.api.get(f"{PATH}/health")).json["healthy"] is True
    await walk.api.input(PATH, b"works")
    assert await walk.api.read(f"{PATH}/output") == b"works"
    await walk.ended(0)
    assert b"not understood" in await walk.api.read(f"{PATH}/log")


@pytest.mark.parametrize("line", [b"no JSON", "b'[' * 200_000", b"\xff\xfe"])
async def test_a_control_channel_with_garbage_is_cut_off(line, walk):
    await walk.start(SAYS.format(line))
    assert (await walk.starting).status == 200
    assert (await walk.api.ended(PATH))["status"] == "errored"


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signals_from_outside(signal_number, walk):
    await walk.running("async def run(context, input):\n    async for line in input: pass")
    walk.runner.send_signal(signal_number)
    info = await walk.api.ended(PATH)
    expected = 23 if signal_number == signal.SIGINT else 128 + signal_number
    assert (info["status"], info["terminated"]["exitcode"]) == ("errored", expected)


async def test_sigint_is_the_sequences_own_when_the_hub_ignores_it(walk):
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell has it for what it starts in the background
    try:
        await walk.running("async def run(context, input):\n    async for line in input: pass")
    finally:
        signal.signal(signal.SIGINT, handler)
    walk.runner.send_signal(signal.SIGINT)
    assert (await walk.api.ended(PATH))["terminated"]["exitcode"] == 23
