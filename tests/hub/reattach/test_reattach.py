"""Instances outlive a Hub that is killed: ``sth`` as a process, ``kill -9``, and another one on the same directory."""

import asyncio
import contextlib
import errno
import functools
import json
import os
import shutil
import socket

import aiohttp
import psutil
import pytest

from transform_hub.hub.link.control import Control
from transform_hub.hub.link.protocols import LogSource
from transform_hub.hub.reattach.fdstore import FdStoreFiles
from transform_hub.hub.runtimes.process import ProcessRuntime
from transform_hub.hub.runtimes.runtime import Exit
from until import until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(socket, "SCM_RIGHTS"), reason="no SCM_RIGHTS here")]

ECHO = """
async def run(context, input, *args):
    async def pong(message):
        context.emit("pong", message)
    context.on("ping", pong)
    async for line in input:
        yield line
"""
JS_ECHO = """
module.exports = function (input) {
    this.on("ping", (message) => this.emit("pong", message));
    return input;
};
"""
PROVIDES = """
provides = {"provides": "numbers", "contentType": "text/plain"}
async def run(context, input):
    async for line in input:
        yield line
"""
REQUIRES = """
requires = {"requires": "numbers", "contentType": "text/plain"}
async def run(context, input):
    async for line in input:
        yield line
"""
LOGS = """
async def run(context, input):
    number = 0
    async for line in input:
        for _ in range(int(line)):
            context.logger.info("entry %06d %s", number, "x" * 100)
            number += 1
"""
WAIT_FOR_FILE = """
import asyncio, os, sys
async def run(context, input, path):
    while not os.path.exists(path):
        await asyncio.sleep(0.01)
    sys.exit(7)
"""
WRITE_LATER = """
import asyncio, os
async def run(context, input, now, done):
    while not os.path.exists(now):
        await asyncio.sleep(0.01)
    for number in range(1000):
        yield f"{number}\\n"
    open(done, "w").close()
"""
DEAF = """
import asyncio
async def run(context, input, path):
    async def stop(timeout, can_keep_alive):
        open(path, "w").close()
        await asyncio.sleep(1000)
    context.set_stop_handler(stop)
    async for _ in input:
        yield ""
"""


async def pid_of(api, instance):
    return (await api.get(f"{instance}/health")).json["processId"]


async def lines(api, path, count, position=None):
    """The next lines of a stream, or those from a position on."""
    headers = {} if position is None else {"x-stream-position": str(position)}
    async with api.session.get(api.url + path, headers=headers) as answer:
        return [await answer.content.readline() for _ in range(count)]


@pytest.fixture(params=["python", "node"])
def echo(request, package):
    """A package that hands on its input and answers ``ping`` with ``pong``."""
    if request.param == "python":
        return package(ECHO)
    if shutil.which("node") is None:
        pytest.skip("JavaScript Sequences need Node.js on PATH")
    return package(files={"main.js": JS_ECHO}, main="main.js", engines={"node": ">=18"})


async def test_events_between_instances_go_on(sth, echo, package):
    api = await sth.start("--reattach")
    listener = await api.start(await api.send(echo))
    speaker = await api.start(
        await api.send(
            package("""
            async def run(context, input):
                async for line in input: context.emit("ping", line)
        """)
        )
    )
    for number in range(3):
        await api.input(speaker, f"{number}\n", x_end_stream="false")
        await until(functools.partial(last_pong, api, listener, f"{number}"))
        await sth.kill()
        api = await sth.start("--reattach")


async def last_pong(api, instance, wanted):
    return (await api.get(f"{instance}/event/pong")).json.strip() == wanted


async def test_an_instance_goes_on_as_it_was(sth, echo):
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(echo), args=[1], appConfig={"x": 2})
    await api.input(instance, "before\n", x_end_stream="false")
    assert await lines(api, f"{instance}/output", 1) == [b"before\n"]
    before, pid = (await api.get(instance)).json, await pid_of(api, instance)

    for number in range(3):
        await sth.kill()
        api = await sth.start("--reattach")
        assert (await api.get(instance)).json == before
        assert (await api.get("/instances")).json == [before]
        assert await pid_of(api, instance) == pid
        await api.post(f"{instance}/_event", [5001, {"eventName": "ping", "message": number}])
        assert (await api.get(f"{instance}/event/pong")).json == number
        await api.input(instance, f"{number}\n", x_end_stream="false")
        position = len("before\n") + number * len("0\n")
        assert await lines(api, f"{instance}/output", 1, position) == [f"{number}\n".encode()]

    await api.input(instance, "last\n")
    answer = await api.get(f"{instance}/output", x_stream_position="0")
    assert answer.body == b"before\n0\n1\n2\nlast\n"
    assert (await api.ended(instance))["terminated"] == {"exitcode": 0, "reason": "Instance completed"}
    assert list((sth.folder / ".hub" / "instances").iterdir()) == []


async def test_what_it_writes_meanwhile_waits(sth, package, tmp_path):
    api = await sth.start("--reattach")
    files = [str(tmp_path / "now"), str(tmp_path / "done")]
    instance = await api.start(await api.send(package(WRITE_LATER)), args=files)
    await pid_of(api, instance)
    await sth.kill()
    (tmp_path / "now").touch()
    await until((tmp_path / "done").exists)
    api = await sth.start("--reattach")
    info = await api.ended(instance)
    assert info["terminated"]["exitcode"] == 0
    assert await api.read(f"{instance}/output") == b"".join(b"%d\n" % number for number in range(1000))
    assert (await api.input(instance, "more")).status == 409


async def test_stop_and_kill_are_those_of_any_instance(sth, package):
    api = await sth.start("--reattach")
    sequence = await api.send(package(ECHO))
    stopped, killed, died = [await api.start(sequence) for _ in range(3)]
    process = psutil.Process(await pid_of(api, died))
    await sth.kill()
    api = await sth.start("--reattach")
    answer = await api.post(f"{stopped}/_stop", {"timeout": 5000, "canCallKeepalive": False})
    assert answer.json["terminated"] == {"exitcode": 138, "reason": "Instance stopped"}
    await api.post(f"{killed}/_kill", {})
    assert (await api.ended(killed))["terminated"] == {"exitcode": 137, "reason": "Instance killed"}
    process.kill()
    assert (await api.ended(died))["terminated"] == {"exitcode": 137, "reason": "Runner killed by SIGKILL"}


async def test_how_one_ended_while_there_was_no_hub_is_told(sth, package, tmp_path):
    api = await sth.start("--reattach")
    path = tmp_path / "end"
    instance = await api.start(await api.send(package(WAIT_FOR_FILE)), args=[str(path)])
    process = psutil.Process(await pid_of(api, instance))
    await sth.kill()
    path.touch()
    await until(lambda: not process.is_running())
    api = await sth.start("--reattach")
    info = await api.ended(instance)
    assert info["status"] == "errored"
    assert info["terminated"] == {"exitcode": 7, "reason": "Sequence failed during execution"}


async def test_a_stop_that_was_under_way_is_carried_through(sth, package, tmp_path):
    api = await sth.start("--reattach")
    path = tmp_path / "stopping"
    instance = await api.start(await api.send(package(DEAF)), args=[str(path)])
    stop = asyncio.ensure_future(api.post(f"{instance}/_stop", {"timeout": 1000, "canCallKeepalive": False}))
    await until(path.exists)
    await sth.kill()
    with pytest.raises(aiohttp.ClientError):
        await stop
    api = await sth.start("--reattach")
    assert (await api.ended(instance))["terminated"] == {"exitcode": 137, "reason": "Instance killed"}


async def test_a_line_that_the_killed_hub_had_begun_to_read_is_left_out():
    said, lost = [], asyncio.Event()
    ours, theirs = socket.socketpair()
    with ours:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=theirs)
        transport.set_protocol(Control(transport, said.append, lost.set, resumed=True))
        await loop.sock_sendall(ours, b'ealth": {}}')
        await loop.sock_sendall(ours, b'\n{"type": "running"}\n')
        await until(lambda: said)
    await lost.wait()
    assert said == [{"type": "running"}]


async def logged(api, instance, last):
    """The entries of the log up to one that begins so."""
    entries = []
    async with api.session.get(f"{api.url}{instance}/log") as answer:
        while not (entries and entries[-1]["msg"].startswith(last)):
            entries.append(json.loads(await answer.content.readline()))
    return entries


async def test_the_log_of_before_is_there(sth, package):
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(LOGS)))
    await api.input(instance, "9\n", x_end_stream="false")
    before = await logged(api, instance, "entry 000008")
    await sth.kill()
    api = await sth.start("--reattach")
    after = await logged(api, instance, "The Hub was away")
    assert after[: len(before)] == before
    assert after[-1]["msg"] == "The Hub was away; entries that were on their way to it may be missing"
    await api.input(instance, "20000\n", x_end_stream="false")
    await logged(api, instance, "entry 020008")
    await sth.kill()
    api = await sth.start("--reattach")
    after = await logged(api, instance, "The Hub was away")
    messages = [entry["msg"] for entry in after if entry["msg"].startswith("entry ")]
    numbers = [int(message.split()[1]) for message in messages]
    assert numbers == [*range(numbers[0], 20_009)]
    assert sum(map(len, messages)) > 500_000


async def test_a_log_entry_that_the_killed_hub_had_begun_to_read_is_left_out():
    written = []
    for first in (b'te": 1}\n', b'{"whole": 1}\n'):
        source = LogSource(written.append, lambda: None, resumed=True)
        source.data_received(first)
        source.data_received(b'{"next"')
        source.data_received(b": 2}\nno JSON\n")
    assert written == [b'{"next": 2}\n', b"no JSON\n", b'{"whole": 1}\n', b'{"next": 2}\n', b"no JSON\n"]


async def test_topics_are_connected_again(sth, package):
    api = await sth.start("--reattach")
    writer = await api.start(await api.send(package(PROVIDES)))
    reader = await api.start(await api.send(package(REQUIRES)))
    await sth.kill()
    api = await sth.start("--reattach")
    assert (await api.get(writer)).json["provides"] == "numbers"
    assert (await api.get(reader)).json["requires"] == "numbers"
    await api.input(writer, "1\n2\n")
    assert await lines(api, f"{reader}/output", 2) == [b"1\n", b"2\n"]
    assert (await api.input(reader, "3\n")).status == 405


async def test_without_a_hub_in_time_all_end(sth, package):
    api = await sth.start("--reattach", "--reattach-timeout", 300)
    instance = await api.start(await api.send(package(ECHO)))
    runner = psutil.Process(await pid_of(api, instance))
    [store] = sth.fdstores()
    zygote = runner.parent()
    await sth.kill()
    await until(lambda: not runner.is_running() and not zygote.is_running() and not store.parent.exists())
    api = await sth.start("--reattach")
    assert (await api.get("/instances")).json == []
    assert len(sth.fdstores()) == 1


async def test_without_reattach_runners_end_with_the_hub(sth, package):
    api = await sth.start("--no-reattach")
    instance = await api.start(await api.send(package(ECHO)))
    runner = psutil.Process(await pid_of(api, instance))
    zygote = runner.parent()
    await sth.kill()
    await until(lambda: not runner.is_running() and not zygote.is_running())


async def test_a_hub_that_is_told_to_end_leaves_nothing(sth, package):
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(ECHO)))
    await sth.kill()
    api = await sth.start("--reattach")
    other = await api.start(await api.send(package(ECHO)))
    runners = [psutil.Process(await pid_of(api, each)) for each in (instance, other)]
    zygotes = [runner.parent() for runner in runners]
    assert zygotes[0] != zygotes[1]
    fdstores = sth.fdstores()
    assert len(fdstores) == 2
    await sth.end()
    await until(lambda: not any(process.is_running() for process in (*runners, *zygotes)))
    assert sth.fdstores() == []
    assert not any(store.parent.exists() for store in fdstores)
    assert list((sth.folder / ".hub" / "instances").iterdir()) == []


async def test_the_store_of_an_earlier_hub_ends_with_its_last_instance(sth, package):
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(ECHO)))
    zygote = psutil.Process(await pid_of(api, instance)).parent()
    await sth.kill()
    api = await sth.start("--reattach")
    await api.post(f"{instance}/_kill", {"removeImmediately": True})
    await until(lambda: not zygote.is_running())
    await until(lambda: len(sth.fdstores()) == 1)


async def test_one_that_was_only_being_started_is_ended(sth, package):
    api = await sth.start("--reattach")
    sequence = await api.send(package(ECHO))
    ready = await api.start(sequence)
    zygote = psutil.Process(await pid_of(api, ready)).parent()
    zygote.suspend()
    starting = asyncio.ensure_future(api.post(f"/sequence/{sequence}/start", {}))
    await api.until("/instances", lambda there: len(there) == 2)
    await sth.kill()
    zygote.resume()  # now it starts another runner, for a Hub that is gone
    with pytest.raises(aiohttp.ClientError):
        await starting
    api = await sth.start("--reattach")
    assert [f"/instance/{each['id']}" for each in (await api.get("/instances")).json] == [ready]
    pid = await pid_of(api, ready)
    await until(lambda: [each.pid for each in zygote.children()] == [pid])  # neither the other, nor a spare one


async def test_what_the_startup_configuration_says_is_not_started_again(sth, package, tmp_path):
    (tmp_path / "echo.tar.gz").write_bytes(package(ECHO))
    one = {"path": str(tmp_path / "echo.tar.gz"), "args": [1], "limits": {"files": 99}}
    (tmp_path / "startup.json").write_text(json.dumps({"sequences": [one, one]}))
    options = ("--reattach", "-S", tmp_path / "startup.json", "--instance-open-files", 100, "--instance-memory", 500)
    api = await sth.start(*options)
    before = (await api.get("/instances")).json
    await sth.kill()
    api = await sth.start(*options)
    assert len(before) == 2
    assert sorted((await api.get("/instances")).json, key=before.index) == before


@pytest.fixture
async def left(sth, package, api_of):
    """A runtime that has found a runner whose Hub was killed, with the runner and its store."""
    api = await sth.start("--reattach")
    runner = psutil.Process(await pid_of(api, await api.start(await api.send(package(ECHO)))))
    store = runner.parent()
    await sth.kill()
    runtime = ProcessRuntime(fdstore=FdStoreFiles(sth.folder / ".hub" / "fdstore", 10))
    [survivor] = await runtime.survivors()
    yield runtime, survivor.name, runner, store
    for descriptor in survivor.descriptors.values():
        os.close(descriptor)
    await runtime.close()


async def test_a_runner_that_ends_before_it_is_watched_is_told_of(left):
    runtime, instance, runner, _ = left
    runner.kill()
    await until(lambda: instance not in runtime._pids)  # its end was told to the runtime
    ends = []
    runtime.watch(instance, ends.append)
    assert ends == [Exit(signal=9)]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="no pidfd here")
@pytest.mark.parametrize("watched", [True, False])
async def test_a_store_that_dies_leaves_its_runners_to_be_watched(left, watched):
    runtime, instance, runner, store = left
    ends = []
    if watched:
        runtime.watch(instance, ends.append)
    store.kill()
    await until(lambda: runtime._survived_in[instance].lost)
    if not watched:
        runtime.watch(instance, ends.append)
    assert runner.is_running()
    runner.kill()
    await until(lambda: ends)
    assert ends == [Exit()]


async def test_a_runner_that_can_not_be_watched_is_ended(left, monkeypatch):
    def refuse(pid):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)
    runtime, instance, runner, store = left
    ends = []
    runtime.watch(instance, ends.append)
    store.kill()
    await until(lambda: ends)
    with contextlib.suppress(psutil.NoSuchProcess):  # nor a zombie, if there is who reaps it
        await until(lambda: runner.status() == psutil.STATUS_ZOMBIE)


async def test_two_hubs_can_not_use_one_directory(sth, tmp_path):
    await sth.start()
    other = await asyncio.create_subprocess_exec(
        sth.program, "-P", "0", "-D", sth.folder, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    _, errors = await other.communicate()
    assert other.returncode == 1
    assert f"Another Hub (process {sth.process.pid}) uses {sth.folder}" in errors.decode()


async def test_a_hub_that_can_not_listen_leaves_them_to_another(sth, package):
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(ECHO)))
    before = (await api.get(instance)).json
    await sth.kill()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        failing = await asyncio.create_subprocess_exec(
            *(sth.program, "-P", str(taken.getsockname()[1]), "-D", sth.folder, "--reattach"),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        _, errors = await failing.communicate()
    assert failing.returncode == 1
    assert "is in use" in errors.decode()
    api = await sth.start("--reattach")
    assert (await api.get(instance)).json == before


async def test_what_the_startup_configuration_started_is_not_started_twice(sth, tmp_path):
    folder = tmp_path / "echo"
    folder.mkdir()
    (folder / "main.py").write_text(ECHO)
    (folder / "package.json").write_text('{"name": "echo", "main": "main.py", "engines": {"python3": ">=3.10"}}')
    startup = tmp_path / "startup.json"
    startup.write_text('{"sequences": [{"path": "echo"}, {"path": "echo"}, {"path": "echo", "args": [1]}]}')
    api = await sth.start("--reattach", "-S", startup)
    before = sorted(each["id"] for each in (await api.get("/instances")).json)
    await sth.kill()
    api = await sth.start("--reattach", "-S", startup)
    assert sorted(each["id"] for each in (await api.get("/instances")).json) == before
    assert len(before) == 3


async def test_many_kills_in_a_row_lose_no_instance(sth, package):
    api = await sth.start("--reattach")
    sequence = await api.send(package(ECHO))
    instances = [await api.start(sequence) for _ in range(10)]
    for _ in range(5):
        starting = [asyncio.ensure_future(api.start(sequence)) for _ in range(5)]
        await asyncio.wait(starting, return_when=asyncio.FIRST_COMPLETED)
        await sth.kill()
        await asyncio.wait(starting)
        instances += [start.result() for start in starting if start.exception() is None]
        api = await sth.start("--reattach")
        there = {f"/instance/{each['id']}" for each in (await api.get("/instances")).json}
        assert there >= {*instances}
        statuses = [(await api.get(each)).json["status"] for each in there]
        assert {*statuses} <= {"starting", "running"}
    assert os.listdir(sth.folder / ".hub" / "instances")  # noqa: PTH208 - whether there are any


FAILS_ON_ORDER = """
async def run(context, input):
    async for line in input:
        raise ValueError(line)
    yield
"""


async def test_a_row_of_restarts_goes_on_over_a_kill(sth, package):
    policy = {"policy": "on-failure", "maxRetries": 2, "delay": 10, "maxDelay": 10, "resetAfter": 3_600_000}
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(FAILS_ON_ORDER)), restart=policy)
    for number in (1, 2):
        await api.input(instance, "fail\n", x_end_stream="false")
        await api.restarted(instance, number)
        await sth.kill()
        api = await sth.start("--reattach")
        info = (await api.get(instance)).json
        assert (info["restarts"], info["restartPolicy"]["maxRetries"]) == (number, 2)
    await api.input(instance, "fail\n", x_end_stream="false")
    info = await api.ended(instance)
    assert (info["status"], info["restarts"], info["terminated"]["exitcode"]) == ("errored", 2, 23)
    [told] = (await api.get("/history")).json
    assert {name: info[name] for name in ("id", "created", "started", "ended", "restarts")}.items() <= told.items()


async def test_one_that_died_without_a_hub_is_restarted_by_the_next(sth, package):
    api = await sth.start("--reattach")
    quick = {"policy": "on-failure", "delay": 10}
    instance = await api.start(await api.send(package(ECHO)), restart=quick)
    runner = psutil.Process(await pid_of(api, instance))
    await sth.kill()
    runner.kill()
    await until(lambda: not runner.is_running())
    api = await sth.start("--reattach")
    await api.restarted(instance, 1)
    await api.input(instance, "again\n")
    assert await api.read(f"{instance}/output") == b"again\n"
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0


@pytest.mark.parametrize("end", ["kill", "stop", "restart"])
async def test_a_pause_before_a_restart_goes_on_over_a_kill(sth, package, end):
    policy = {"policy": "always", "maxRetries": 1, "delay": 3_600_000, "maxDelay": 3_600_000}
    api = await sth.start("--reattach")
    instance = await api.start(await api.send(package(ECHO)), restart=policy)
    record = sth.folder / ".hub" / "instances" / f"{instance.rpartition('/')[2]}.json"
    await api.input(instance, "")
    await until(lambda: json.loads(record.read_bytes()).get("nextRestart"))
    paused = (await api.get(instance)).json
    for _ in range(2):
        await sth.kill()
        api = await sth.start("--reattach")
        now = (await api.get(instance)).json
        assert (now["status"], now["restarts"], now["created"]) == ("initializing", 1, paused["created"])
        assert (await api.get("/history")).json == []
    if end == "restart":
        await sth.kill()
        due = {**json.loads(record.read_bytes()), "nextRestart": paused["created"]}
        record.write_text(json.dumps(due))
        api = await sth.start("--reattach")
        await api.restarted(instance, 1)
        await api.input(instance, "again\n")
        assert await api.read(f"{instance}/output") == b"again\n"
    else:
        await api.post(f"{instance}/_{end}", {"timeout": 1000, "canCallKeepalive": False} if end == "stop" else {})
    code = {"kill": 137, "stop": 137, "restart": 0}[end]
    assert (await api.ended(instance))["terminated"]["exitcode"] == code
    [told] = (await api.get("/history")).json
    assert (told["restarts"], told["terminated"]["exitcode"]) == (1, code)
    assert not record.exists()
