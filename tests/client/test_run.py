"""``host.run``: a Sequence from its package to its exit code, and what is left on the Hub afterwards."""

import asyncio
import signal
import sys
import textwrap
from pathlib import Path

import pytest
from faulty import client_tasks

from debug_mode import complaints
from transform_hub import errors
from transform_hub.client import CompletedInstance
from until import until

SHOUT = """
import sys

async def run(context, input, *args):
    print("out", args, context.config)
    print("err", file=sys.stderr)
    async for line in input:
        yield line.upper()
"""
FAIL = """
import sys

def run(context, input):
    print("why it failed", file=sys.stderr)
    raise KeyError("x")
"""
ENDLESS = """
import asyncio

async def run(context, input):
    print("begun", flush=True)
    await asyncio.Event().wait()
"""


@pytest.fixture
async def clean(client):
    """After the test nothing is left on the Hub."""
    yield
    assert await client.list_sequences() == []
    assert await client.list_instances() == []


@pytest.mark.usefixtures("clean")
async def test_everything_in_one_call(client, package):
    done = await client.run(package(SHOUT), args=["a", 1], app_config={"b": 2}, input="zwölf\nboxkämpfer\n", check=True)
    assert isinstance(done, CompletedInstance)
    assert (done.returncode, done.reason, done.args) == (0, "Instance completed", ["a", 1])
    assert done.output.decode() == "ZWÖLF\nBOXKÄMPFER\n"
    assert done.stdout == b"out ('a', 1) {'b': 2}\n"
    assert done.stderr == b"err\n"
    assert len(done.id) == 36
    done.check_returncode()


@pytest.mark.usefixtures("clean")
async def test_stdin_and_a_directory(client, tmp_path):
    (tmp_path / "main.py").write_text(
        textwrap.dedent("""
            import sys

            async def run(context, input):
                async for chunk in sys.stdin:
                    yield chunk
        """)
    )
    (tmp_path / "package.json").write_text('{"name": "cat", "main": "main.py", "engines": {"python3": ">=3"}}')
    assert (await client.run(tmp_path, stdin="one\ntwo\n")).output == b"one\ntwo\n"
    assert (await client.run(str(tmp_path))).output == b""


@pytest.mark.usefixtures("clean")
async def test_more_than_any_buffer_holds(client, package):
    data = bytes(range(256)) * 40_000
    done = await client.run(package("def run(context, input): return input"), input=data)
    assert done.output == data


@pytest.mark.usefixtures("clean")
async def test_failure(client, package):
    done = await client.run(package(FAIL), input="x\n")
    assert done.returncode == 23
    with pytest.raises(errors.InstanceFailedError, match="ended with exit code 23") as raised:
        await client.run(package(FAIL), check=True)
    assert "why it failed" in str(raised.value)
    assert raised.value.returncode == 23
    assert raised.value.stderr.startswith(b"why it failed\n")
    with pytest.raises(errors.InstanceFailedError):
        done.check_returncode()


@pytest.mark.usefixtures("clean")
async def test_input_that_nobody_reads_does_not_keep_it(client, package):
    async def endless():
        while True:
            yield b"x" * 100_000

    async def silent():
        yield b"x"
        await asyncio.Event().wait()

    for chunks in (endless(), silent()):
        done = await client.run(package('def run(context, input): return "done"'), input=chunks)
        assert (done.returncode, done.output) == (0, b"done")


@pytest.mark.usefixtures("clean")
async def test_time_is_up(client, package):
    with pytest.raises(errors.InstanceTimeoutError, match=r"did not end within 0\.5 s and was killed") as raised:
        await client.run(package(ENDLESS), timeout=0.5)
    assert raised.value.stdout == b"begun\n"


@pytest.mark.usefixtures("clean")
async def test_more_than_is_kept(client, package):
    source = "async def run(context, input):\n    while True:\n        yield 'x' * 1000\n"
    with pytest.raises(errors.OutputTooLargeError, match="wrote more than 5000 bytes to output") as raised:
        await client.run(package(source), max_bytes=5000)
    assert len(raised.value.output) <= 5000


@pytest.mark.usefixtures("clean")
async def test_a_source_of_input_that_fails(client, package):
    def chunks():
        yield b"x" * 300_000
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        await client.run(package(ENDLESS), input=chunks())
    with pytest.raises(FileNotFoundError):
        await client.run(package(ENDLESS), input=Path("/nowhere/x"))
    with pytest.raises(TypeError, match="Can't send"):
        await client.run(package(ENDLESS), input={"a": 1})


@pytest.mark.usefixtures("clean")
async def test_what_can_not_be_started(client, package, tmp_path):
    with pytest.raises(errors.UnprocessableError):
        await client.run(b"no archive")
    with pytest.raises(errors.PackageError):
        await client.run(tmp_path / "none")
    with pytest.raises(TypeError, match="args must be a list"):
        await client.run(package(SHOUT), args="a")


@pytest.mark.usefixtures("clean")
async def test_input_for_a_sequence_that_reads_a_topic(client, package):
    source = """
        requires = {"requires": "a", "contentType": "text/plain"}

        async def run(context, input):
            async for line in input:
                yield line.upper()
                return
    """
    running = asyncio.ensure_future(client.run(package(source), input_topic="people"))
    await client.topic("people", "text/plain").send("alice\n")
    assert (await running).output == b"ALICE\n"
    with pytest.raises(errors.MethodNotAllowedError):
        await client.run(package(source), input="x\n")
    await client.delete_topic("a")


async def test_a_sequence_that_was_there_stays(client, package):
    sequence = await client.send_sequence(package(SHOUT))
    done = await client.run(sequence, input="a\n")
    assert done.output == b"A\n"
    assert await sequence.list_instances() == [done.id]
    other = await client.send_sequence(package(ENDLESS))
    with pytest.raises(errors.InstanceTimeoutError):
        await client.run(other, timeout=0.1)
    assert {found.id for found in await client.list_sequences()} == {sequence.id, other.id}
    await until(lambda: is_unused(other))


async def is_unused(sequence):
    return not await sequence.list_instances()


async def one_runs(client):
    return any(found.status == "running" for found in await client.list_instances())


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("moment", ["sending", "sent", "starting", "running"])
async def test_cancelling(client, package, moment):
    """At whatever moment: nothing stays, and no task either."""
    calls = []
    reach = client.transport.open if moment in ("sending", "sent") else client.transport.call
    hold, go_on = asyncio.Event(), asyncio.Event()

    async def watched(*args, **options):
        calls.append(args)
        answer = await reach(*args, **options)
        if moment in ("sent", "starting") and not hold.is_set():
            hold.set()  # the Hub has done it, and the answer is about to be here
            await go_on.wait()
        return answer

    setattr(client.transport, reach.__name__, watched)
    running = asyncio.ensure_future(client.run(package(ENDLESS)))
    if moment == "sending":
        await until(lambda: calls)
    elif moment == "running":
        await until(lambda: one_runs(client))
    else:
        await hold.wait()
    running.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    delattr(client.transport, reach.__name__)
    assert client_tasks() == set()


@pytest.mark.slow
async def test_ctrl_c(client, package, tmp_path):
    """In a process of its own, as a user's script is."""
    (tmp_path / "s.tar.gz").write_bytes(package(ENDLESS))
    script = textwrap.dedent(f"""
        import asyncio
        from transform_hub import HostClient

        async def main():
            async with HostClient({client.url!r}) as host:
                await host.run({str(tmp_path / "s.tar.gz")!r})

        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
    """)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "dev", "-W", "error", "-c", script,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await until(lambda: one_runs(client))
    process.send_signal(signal.SIGINT)
    output, stderr = await process.communicate()
    assert output == b"interrupted\n"
    assert complaints(stderr.decode()) == ""
    assert await client.list_sequences() == []
    assert await client.list_instances() == []


@pytest.mark.slow
@pytest.mark.usefixtures("clean")
async def test_cancelling_at_any_moment(client, package):
    """Wherever in a run it comes: nothing stays on the Hub, no task, and no other error."""
    data = package(SHOUT)

    async def whole():
        return await client.run(data, input="one\ntwo\n")

    for delay in range(0, 120, 4):
        running = asyncio.ensure_future(whole())
        await asyncio.wait({running}, timeout=delay / 1000)
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled() or running.result().output == b"ONE\nTWO\n"
        assert client_tasks() == set()
        assert await client.list_sequences() == []
