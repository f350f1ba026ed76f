"""Killing: in every state, whatever the Sequence does, and all that it started goes with it."""

import asyncio

import psutil
import pytest

from processes import gone
from until import until

KILLED = ("completed", {"exitcode": 137, "reason": "Instance killed"})


async def kill(api, instance, **options):
    answer = await api.post(f"{instance}/_kill", options)
    assert answer.status == 202, answer.text


async def killed(api, instance):
    await kill(api, instance)
    info = await api.ended(instance)
    assert (info["status"], info["terminated"]) == KILLED


STUBBORN = {
    "sleep in run": "import time\ndef run(context, input):\n    time.sleep(1000)",
    "busy loop": "def run(context, input):\n    while True: pass",
    "ignores signals": """
import signal, time
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)
def run(context, input):
    time.sleep(1000)
""",
    "goes on when cancelled": """
import asyncio
async def run(context, input):
    while True:
        try: await asyncio.sleep(1000)
        except BaseException: pass
""",
    "thread": """
import threading, time
def run(context, input):
    threading.Thread(target=time.sleep, args=(1000,)).start()
    time.sleep(1000)
""",
}


@pytest.mark.parametrize("kind", STUBBORN)
async def test_a_running_instance(kind, launch, api, process, endless_grace):
    instance = await launch(STUBBORN[kind])
    runner = await process(instance)
    await killed(api, instance)
    await gone(runner)


@pytest.fixture
def short_grace(monkeypatch):
    """The Hub waits less long for a runner before it ends it from outside."""
    monkeypatch.setattr("transform_hub.hub.instances.run.KILL_GRACE", 0.2)


async def test_what_blocks_even_the_control_thread(launch, api, short_grace):
    # One call into C that keeps the interpreter's lock, like a long computation of an extension does.
    instance = await launch("""
        import ctypes, os
        def run(context, input):
            context.emit("blocked", os.getpid())
            ctypes.PyDLL(None).sleep(1000)
    """)
    runner = psutil.Process((await api.get(f"{instance}/event/blocked")).json)
    await killed(api, instance)
    await gone(runner)


@pytest.mark.parametrize("code", ["import time; time.sleep(1000)", "while True: pass"])
async def test_while_it_is_loaded(code, launch, api):
    name = "i" * 36
    instance = f"/instance/{name}"
    starting = asyncio.ensure_future(launch(code, instanceId=name))
    await api.answers(instance, 200)
    await api.status(instance, "starting")
    await killed(api, instance)
    assert await starting == instance


async def test_before_its_runner_is_there(launch, api, hub):
    name = "i" * 36
    starting = asyncio.ensure_future(launch("def run(context, input): return input", instanceId=name))
    await until(lambda: name in hub.instances, pause=0)
    instance = hub.instances[name]
    assert instance.status == "initializing"
    answer = await api.post(f"/instance/{name}/_stop", {"timeout": 0})
    assert answer.status in (202, 404)
    with pytest.raises(AssertionError, match="did not connect"):
        await starting
    assert (await api.get(f"/instance/{name}")).status == 404


async def test_while_it_is_stopping(launch, api):
    instance = await launch("""
        import asyncio
        def run(context, input):
            async def handler(timeout, can_keep_alive): await asyncio.sleep(1000)
            context.set_stop_handler(handler)
            return input
    """)
    stopping = asyncio.ensure_future(api.post(f"{instance}/_stop", {"timeout": 60_000, "canCallKeepalive": False}))
    await api.status(instance, "stopping")
    await killed(api, instance)
    assert (await stopping).status == 202


async def test_again_and_after_the_end(launch, api):
    instance = await launch("def run(context, input): return input")
    await asyncio.gather(*(kill(api, instance) for _ in range(5)))
    await killed(api, instance)
    await killed(api, instance)


async def test_an_ended_instance_stays_as_it_ended(launch, api):
    instance = await launch("def run(context, input): return 'a'")
    await api.ended(instance)
    await kill(api, instance)
    assert (await api.get(instance)).json["terminated"] == {"exitcode": 0, "reason": "Instance completed"}


async def test_remove_immediately(launch, api):
    instance = await launch("def run(context, input): return input")
    await kill(api, instance, removeImmediately=True)
    await api.answers(instance, 404)


ENDS = {
    "kill": "import time; time.sleep(1000)",
    "run returns": "pass",
    "run fails": "1 / 0",
    "SIGKILL": "os.kill(os.getpid(), 9)",
    "os._exit": "os._exit(1)",
}


@pytest.mark.parametrize("kind", ENDS)
async def test_what_it_started_ends_with_it(kind, launch, api):
    instance = await launch(f"""
        import os, subprocess, sys
        def run(context, input):
            child = subprocess.Popen([sys.executable, "-c", "import signal, time; time.sleep(1000)"])
            forked = os.fork()
            if forked == 0:
                import time
                time.sleep(1000)
            context.emit("pids", [os.getpid(), child.pid, forked])
            input = open(0).readline()
            {ENDS[kind]}
    """)
    pids = (await api.get(f"{instance}/event/pids")).json
    processes = [psutil.Process(pid) for pid in pids]
    await api.post(f"{instance}/stdin", b"go\n")
    if kind == "kill":
        await kill(api, instance)
    await api.ended(instance)
    await gone(*processes)
    await api.read(f"{instance}/stdout")  # ends, although a child had it, too


@pytest.mark.parametrize("ending", ["return", "os.kill(os.getpid(), 9)"])
async def test_a_daemon_that_leaves_its_group_does_not_keep_the_instance(ending, launch, api, short_grace):
    instance = await launch(f"""
        import os, time
        def run(context, input):
            renamed, tell = os.pipe()
            forked = os.fork()
            if forked == 0:
                os.setsid()
                open("/proc/self/comm", "w").write("daemon")  # by its name it would be found, and ended
                os.write(tell, b".")
                context.logger.handlers[0].flush()
                time.sleep(1000)
            os.read(renamed, 1)
            context.emit("pid", forked)
            input = open(0).readline()
            {ending}
    """)
    daemon = psutil.Process((await api.get(f"{instance}/event/pid")).json)
    try:
        await api.post(f"{instance}/stdin", b"go\n")
        info = await api.ended(instance)
        assert info["terminated"]["exitcode"] == (0 if ending == "return" else 137)
    finally:
        daemon.kill()


@pytest.mark.parametrize("ending", ["_kill", "SIGKILL"])
async def test_a_daemon_that_leaves_its_group_does_not_keep_the_streams(ending, launch, api, process, short_grace):
    instance = await launch("""
        import os, time
        def run(context, input):
            renamed, tell = os.pipe()
            forked = os.fork()
            if forked == 0:
                os.setsid()
                open("/proc/self/comm", "w").write("daemon")  # by its name it would be found, and ended
                os.write(tell, b".")
                time.sleep(1000)
            os.read(renamed, 1)
            print("printed", flush=True)
            context.logger.info("logged")
            context.emit("pid", forked)
            return input
    """)
    daemon = psutil.Process((await api.get(f"{instance}/event/pid")).json)
    try:
        if ending == "_kill":
            await kill(api, instance)
        else:
            (await process(instance)).kill()
        assert await api.read(f"{instance}/stdout") == b"printed\n"
        assert b"logged" in await api.read(f"{instance}/log")
        for stream in ("output", "stderr"):
            assert await api.read(f"{instance}/{stream}") == b""
        assert (await api.ended(instance))["terminated"]["exitcode"] == 137
        assert daemon.is_running()
    finally:
        daemon.kill()
