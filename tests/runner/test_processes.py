"""Runner processes: forked or spawned, with a zygote or a Hub that dies."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import aiohttp
import psutil
import pytest

from processes import gone, without_capabilities
from transform_hub.hub.server import serve
from transform_hub.runner import priority
from until import until


@pytest.fixture(params=[True, False], ids=["zygote", "spawn"])
def zygote(request):
    return request.param


@pytest.fixture
async def hub(tmp_path, zygote):
    async with serve(port=0, data_dir=tmp_path / "hub", retention_ms=60_000, zygote=zygote) as running:
        yield running


only_zygote = pytest.mark.parametrize("zygote", [True], indirect=True, ids=["zygote"])


def zygote_of(hub_pid):
    (found,) = (
        child for child in psutil.Process(hub_pid).children() if "transform_hub.runner.zygote" in child.cmdline()
    )
    return found


async def test_streams(launch, api):
    instance = await launch("""
        import sys
        def run(context, input, *args):
            print("out", args, context.config)
            print("err", file=sys.stderr)
            return input.map(str.upper)
    """, args=[1], appConfig={"a": 1})  # fmt: skip
    await api.input(instance, b"text\n")
    assert await api.read(f"{instance}/output") == b"TEXT\n"
    assert await api.read(f"{instance}/stdout") == b"out (1,) {'a': 1}\n"
    assert await api.read(f"{instance}/stderr") == b"err\n"
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0


async def test_stop_and_kill(launch, api):
    for verb, code in (("_stop", 138), ("_kill", 137)):
        instance = await launch("def run(context, input): return input")
        await api.post(f"{instance}/{verb}", {})
        assert (await api.ended(instance))["terminated"]["exitcode"] == code


ENDS = {
    "sys.exit(3)": 3,
    "os._exit(7)": 7,
    "os.kill(os.getpid(), 9)": 137,
    "os.kill(os.getpid(), 15)": 143,
    "1 / 0": 23,
}


@pytest.mark.parametrize("call", ENDS)
async def test_exit_codes(call, launch, api):
    instance = await launch(f"import os, sys\ndef run(context, input): {call}")
    assert (await api.ended(instance))["terminated"]["exitcode"] == ENDS[call]


async def test_a_runner_leads_a_group_and_takes_its_children_with_it(launch, api, process):
    instance = await launch("""
        import subprocess, os
        def run(context, input):
            child = subprocess.Popen(["sleep", "1000"])
            context.emit("child", child.pid)
            return input
    """)
    runner = await process(instance)
    child = psutil.Process((await api.get(f"{instance}/event/child")).json)
    assert os.getpgid(child.pid) == runner.pid
    runner.kill()
    info = await api.ended(instance)
    assert info["terminated"] == {"exitcode": 137, "reason": "Runner killed by SIGKILL"}
    await gone(child)


async def test_the_hub_comes_before_its_runners(launch, launch_js, api, zygote, process):
    for start in (launch, launch_js):
        source = "def run(context, input): return input" if start is launch else "module.exports = input => input"
        runner = await process(await start(source))
        assert runner.nice() == psutil.Process().nice() + priority.NICENESS
        assert os.getpgid(runner.pid) == runner.pid
        # However many there are, all runners together have the share of one session.
        session = os.getsid(runner.pid)
        assert session == (zygote_of(os.getpid()).pid if zygote else runner.pid)


TAKE = """
import asyncio, sys
from pathlib import Path
from transform_hub import HostClient
from transform_hub.hub.server import serve

SOURCE = '''
import ctypes, os, subprocess
def taken(pid):
    libc, pidfd_getfd = ctypes.CDLL(None), 438
    pidfd = os.pidfd_open(pid)
    return any(libc.syscall(pidfd_getfd, pidfd, number, 0) >= 0 for number in range(100))
def run(context, input):
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        found = taken(child.pid)
        child.stdin.close()
    return f"{taken(os.getppid())} {found}"
'''

async def main(directory):
    Path(directory, "main.py").write_text(SOURCE)
    Path(directory, "package.json").write_text('{"name": "thief", "main": "main.py"}')
    async with serve(port=0) as hub, HostClient(hub.url) as host:
        sequence = await host.send_sequence(directory)
        instance = await sequence.start()
        print((await instance.get_output().read()).decode())

asyncio.run(main(sys.argv[1]))
"""


def test_descriptors_of_the_zygote_are_out_of_the_reach_of_sequences(tmp_path):
    words = [*without_capabilities(), sys.executable, "-c", TAKE, str(tmp_path)]
    told = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert told.split() == ["False", "True"]  # a process of its own is within it


async def test_the_hubs_directory_secrets_and_descriptors_are_not_the_sequences(launch, api, tmp_path, monkeypatch):
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    (tmp_path / "module_of_the_hub.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_SECRET", "secret")
    instance = await launch("""
        import json, os, sys
        try: import module_of_the_hub
        except ImportError: pass
        else: raise AssertionError("imported")
        def run(context, input):
            return json.dumps([os.environ.get("HUB_SECRET"), "" in sys.path, sorted(os.listdir("/proc/self/fd"))])
    """)
    await api.ended(instance)
    os.close(reading)
    os.close(writing)
    secret, in_path, descriptors = json.loads(await api.read(f"{instance}/output"))
    assert secret is None
    assert not in_path
    # Standard streams, 6 channels of the link, the event loop's 3, and the folder being listed.
    assert len(descriptors) <= 13


async def test_instances_do_not_share_random_numbers_nor_modules(launch, api):
    source = """
        import random, sys
        def run(context, input):
            assert not hasattr(sys, "mark")
            sys.mark = True
            return str(random.random())
    """
    instances = [await launch(source) for _ in range(2)]
    one, other = [await api.read(f"{instance}/output") for instance in instances]
    assert one != other != b""


@only_zygote
async def test_many_at_once(launch, api, hub, package):
    sequence = await api.send(package("def run(context, input): return context.instance_id"))
    instances = await asyncio.gather(*(api.start(sequence) for _ in range(30)))
    outputs = await asyncio.gather(*(api.read(f"{instance}/output") for instance in instances))
    assert [f"/instance/{output.decode()}" for output in outputs] == instances
    await asyncio.gather(*(api.ended(instance) for instance in instances))
    await until(lambda: len(zygote_of(os.getpid()).children()) == 1)  # the spare one, and no zombies


@only_zygote
async def test_a_zygote_that_is_killed_is_replaced_and_its_runners_go_on(launch, api, hub, process):
    source = "def run(context, input): return input"
    instances = [await launch(source) for _ in range(4)]
    runners = [await process(instance) for instance in instances]
    first = zygote_of(os.getpid())
    first.kill()
    await gone(first)

    await api.input(instances[0], b"still there")
    assert await api.read(f"{instances[0]}/output") == b"still there"
    assert (await api.ended(instances[0]))["terminated"]["exitcode"] == 0
    await api.post(f"{instances[1]}/_stop", {})
    assert (await api.ended(instances[1]))["terminated"]["exitcode"] == 138
    await api.post(f"{instances[2]}/_kill", {})
    assert (await api.ended(instances[2]))["terminated"]["exitcode"] == 137
    runners[3].kill()
    info = await api.ended(instances[3])
    assert info["status"] == "errored"  # by what is not known: it was nobody's child any more
    await gone(*runners)

    another = await launch(source)
    await api.input(another, b"new")
    assert await api.read(f"{another}/output") == b"new"
    assert zygote_of(os.getpid()).pid != first.pid


@only_zygote
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_a_spare_runner_that_is_killed_is_no_end_of_anything(number, launch, api, hub, process):
    source = "def run(context, input): return input"
    first = await process(await launch(source))
    zygote = zygote_of(os.getpid())
    await until(lambda: len(zygote.children()) == 2)
    (spare,) = set(zygote.children()) - {first}
    spare.send_signal(number)
    await gone(spare)
    instance = await launch(source)
    await api.input(instance, b"here")
    assert await api.read(f"{instance}/output") == b"here"
    await until(lambda: len(zygote.children()) == 2)  # the first, and a new spare one
    assert spare not in zygote.children()


@only_zygote
async def test_a_spare_runner_is_the_next(launch, api, hub, process):
    source = "import os\ndef run(context, input, *args): return os.environ['A'] + str(os.getpid())"
    await launch("def run(context, input): return input")
    zygote = zygote_of(os.getpid())
    await until(lambda: len(zygote.children()) == 2)
    spare = max(zygote.children(), key=psutil.Process.create_time)
    instance = await launch(source, env={"A": "pid "}, args=["x" * 900_000])
    assert await api.read(f"{instance}/output") == f"pid {spare.pid}".encode()


HUB = """
import asyncio, sys
from transform_hub.hub.server import serve
from transform_hub.runner import priority
async def main():
    async with serve(port=0, zygote={zygote}) as hub:
        print(hub.url, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
async def test_a_hub_that_dies_leaves_no_orphans(how, zygote, package, tmp_path):
    program = subprocess.Popen([sys.executable, "-c", HUB.format(zygote=zygote)], stdout=subprocess.PIPE, cwd=tmp_path)
    async with aiohttp.ClientSession(program.stdout.readline().decode().strip()[: -len("/api/v1")]) as session:

        async def call(path, **arguments):
            async with session.post(f"/api/v1{path}", **arguments) as response:
                assert response.status == 200
                return (await response.json())["id"]

        async def event(instance, name):
            async with session.get(f"/api/v1/instance/{instance}/event/{name}") as response:
                return await response.json()

        sources = {
            "idle": "def run(context, input):\n    tell(context)\n    return input",
            "blocked": "def run(context, input):\n    tell(context)\n    time.sleep(1000)",
            "stubborn": (
                "for number in range(1, 32):\n"
                "    if number not in (9, 19): signal.signal(number, signal.SIG_IGN)\n"
                "def run(context, input):\n    tell(context)\n    while True: pass"
            ),
        }
        head = (
            "import os, signal, subprocess, time\n"
            "def tell(context):\n"
            "    child = subprocess.Popen(['sleep', '1000'])\n"
            "    context.emit('pids', [os.getpid(), child.pid])\n"
        )
        processes = list(psutil.Process(program.pid).children())
        for source in sources.values():
            sequence = await call("/sequence", data=package(head + source))
            instance = await call(f"/sequence/{sequence}/start", json={})
            processes += [psutil.Process(pid) for pid in await event(instance, "pids")]
    assert len(processes) == 6 + zygote
    program.send_signal(signal.Signals[how])
    program.wait()
    program.stdout.close()
    await gone(*processes)


ODD = {
    "closes its stdout": ("os.close(1); os.close(2)", b""),
    "closes what Python prints to": ("print('before', flush=True); sys.stdout.close()", b"before\n"),
    "puts a file in the place of its stdout": (
        "print('before', flush=True); os.dup2(os.open('/dev/null', os.O_WRONLY), 1); print('nowhere')",
        b"before\n",
    ),
    "forks a child that prints": ("child()", b"child\n"),
    "forks twice and leaves a process behind": ("grandchild()", b"grandchild\n"),
}


@pytest.mark.parametrize("kind", ODD)
async def test_a_sequence_that_does_odd_things_to_its_process_ends_as_any_other(kind, launch, api):
    code, printed = ODD[kind]
    instance = await launch(f"""
        import os, sys, time
        def child():
            if os.fork() == 0:
                print("child", flush=True)
                os._exit(0)
            os.wait()
        def grandchild():
            ready, written = os.pipe()
            if os.fork() == 0:
                if os.fork() == 0:
                    print("grandchild", flush=True)
                    os.write(written, b"x")
                    time.sleep(1000)
                os._exit(0)
            os.wait()
            os.read(ready, 1)
        async def run(context, input):
            {code}
            async for line in input: yield line
    """)
    await api.input(instance, b"works\n")
    assert await api.read(f"{instance}/output") == b"works\n"
    assert await api.read(f"{instance}/stdout") == printed
    info = await api.ended(instance)
    assert (info["status"], info["terminated"]["exitcode"]) == ("completed", 0)
