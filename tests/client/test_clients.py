"""The clients against a real Hub with real Instances."""

import asyncio
import contextlib
import io
import json
from datetime import datetime, timezone

import pytest

from transform_hub import errors
from transform_hub.client import HostClient, InstanceClient, SequenceClient
from transform_hub.hub.server import serve
from transform_hub.models import AuditRecord
from until import until

ECHO = "def run(context, input, *args): return input"
SHOUT = """
import sys

async def run(context, input, *args):
    print("out", args, context.config)
    print("err", file=sys.stderr)
    context.logger.info("begun")
    async for line in input:
        context.emit("seen", {"line": line})
        yield line.upper()
"""


@pytest.fixture
def start(client, package):
    async def starting(source=ECHO, **options):
        return await (await client.send_sequence(package(source))).start(**options)

    return starting


async def ended(instance):
    async def info():
        found = await instance.get_info()
        return found if found.is_ended else None

    return await until(info)


async def test_the_hub_itself(client, hub):
    assert client.url == hub.url
    assert (await client.get_version()).api_version == "v1"
    assert (await client.get_status()).cpm.connected is None
    assert (await client.get_load_check()).mem_free > 0
    config = await client.get_config()
    assert f"http://{config.host.hostname}:{config.host.port}{config.host.api_base}" == client.url
    assert config.timings.instance_lifetime_extension_delay == 60_000
    assert await client.list_sequences() == []
    assert await client.list_instances() == []
    entities = await client.list_entities()
    assert (entities.sequences, entities.instances) == ([], [])
    async for entry in client.get_log().json():
        assert entry["level"]
        break


async def test_the_audit(client, package):
    records = (await client.get_audit()).json(AuditRecord)
    sequence = await client.send_sequence(package(ECHO))
    async for record in records:
        if record.op_state == "END" and record.op_code == 10100:  # POST of a Sequence
            break
    assert record.received_at > 0
    await sequence.delete()
    async for record in records:
        if record.op_code == 10400:
            break
    assert record.object_id == sequence.id


@pytest.fixture
def sources(package, tmp_path):
    """A Sequence in everything that it can be sent as."""
    data = package(ECHO)
    path = tmp_path / "s.tar.gz"
    path.write_bytes(data)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "main.py").write_text(ECHO)
    (folder / "package.json").write_text(json.dumps({"name": "f", "main": "main.py", "engines": {"python3": "3"}}))

    async def chunks():
        yield data[:10]
        yield data[10:]

    return {
        "bytes": data,
        "bytearray": bytearray(data),
        "str": str(path),
        "Path": path,
        "directory": str(folder),
        "directory Path": folder,
        "file": io.BytesIO(data),
        "list": [data[:10], data[10:]],
        "async iterable": chunks(),
    }


async def test_a_sequence_can_be_sent_as(client, sources):
    for name, source in sources.items():
        sequence = await client.send_sequence(source)
        assert (await sequence.get_info()).config.entrypoint_path == "main.py", name
    assert len(await client.list_sequences()) == len(sources)


async def test_sequences_that_can_not_be_sent(client, tmp_path):
    with pytest.raises(errors.PackageError, match=r"There is no 'none\.tar\.gz' in /") as raised:
        await client.send_sequence("none.tar.gz")
    assert raised.value.code == "no-such-file"
    with pytest.raises(errors.PackageError, match="There is no"):
        await client.send_sequence(tmp_path / "none")
    with pytest.raises(errors.PackageError):
        await client.send_sequence(tmp_path)
    with pytest.raises(TypeError, match="Can't send"):
        await client.send_sequence({"id": "x"})
    with pytest.raises(errors.UnprocessableError, match=r"Invalid pkg tar\.gz archive"):
        await client.send_sequence(b"no archive")
    with pytest.raises(errors.HubResponseError):
        await client.send_sequence(b"")
    assert await client.list_sequences() == []


async def test_sequences(client, package):
    sequence = await client.send_sequence(package(ECHO, name="mine"))
    assert (await client.get_sequence_info(sequence.id)).config.name == "mine"
    assert await sequence.list_instances() == []
    instance = await sequence.start()
    assert await sequence.list_instances() == [instance.id]
    with pytest.raises(errors.ConflictError, match="in use"):
        await sequence.delete()
    await sequence.delete(force=True)
    with pytest.raises(errors.NotFoundError, match=f"Sequence {sequence.id} not found"):
        await sequence.get_info()
    with pytest.raises(errors.NotFoundError):
        await sequence.start()
    with pytest.raises(errors.NotFoundError):
        await sequence.delete()


async def test_what_a_start_takes(start):
    own_id = "0123456789-0123456789-0123456789-abc"
    instance = await start(SHOUT, args=["a", 1, {"b": None}], app_config={"c": True}, instance_id=own_id)
    assert instance.id == own_id
    info = await instance.get_info()
    assert info.args == ["a", 1, {"b": None}]
    assert info.app_config == {"c": True}
    assert info.status == "running"
    async for line in instance.get_stdout().lines():
        assert line == "out ('a', 1, {'b': None}) {'c': True}"
        break
    with pytest.raises(errors.ConflictError):
        await SequenceClient(info.sequence.id, instance.host).start(instance_id=own_id)
    with pytest.raises(errors.BadRequestError):
        await SequenceClient(info.sequence.id, instance.host).start(instance_id="short")


async def test_arguments_that_are_no_list():
    sequence = HostClient("http://127.0.0.1:1").sequence("x")
    with pytest.raises(TypeError, match=r"args must be a list or tuple, not str: use args=\['a'\]"):
        await sequence.start(args="a")
    with pytest.raises(TypeError, match="not dict"):
        await sequence.start(args={"a": 1})
    with pytest.raises(TypeError, match="app_config must be a dict, not list"):
        await sequence.start(app_config=[])


async def test_streams_of_an_instance(start):
    instance = await start(SHOUT)
    await instance.send_input("zwölf\nboxkämpfer\n")
    assert [line async for line in instance.get_output().lines()] == ["ZWÖLF", "BOXKÄMPFER"]
    assert await instance.get_stderr().read() == b"err\n"
    info = await ended(instance)
    assert info.status == "completed"
    assert "begun" in [entry["msg"] async for entry in instance.get_log().json()]
    with pytest.raises(errors.ConflictError):
        await instance.send_input("more")


async def test_input_in_parts(start):
    instance = await start(SHOUT)
    await instance.send_input("one\n", end=False)
    async with instance.open_input("text/plain") as writer:
        lines = instance.get_output().lines()
        assert await anext(lines) == "ONE"
        await writer.write("two\n")
        assert await anext(lines) == "TWO"
    assert [line async for line in lines] == []


async def test_inout(start):
    instance = await start(SHOUT)
    async with instance.inout("text/plain") as both:
        lines = both.lines()
        for word in ("one", "two"):
            await both.write(f"{word}\n")
            assert await anext(lines) == word.upper()
        await both.close_input()
        assert [line async for line in lines] == []


@pytest.mark.slow
async def test_quiet_streams_have_no_deadline(hub, package):
    """Every kind of stream is quiet for longer than a call may take, and then goes on."""
    async with HostClient(hub.url) as patient, HostClient(hub.url, timeout=0.5) as host:
        sequence = await patient.send_sequence(package(SHOUT))
        instance, other = [host.instance((await sequence.start()).id) for _ in range(2)]
        topic = host.topic("quiet", "text/plain")
        writers = [await instance.open_input("text/plain"), await topic.open(), await other.inout("text/plain")]
        readers = [instance.get_output(), topic.get(follow=True), host.get_audit(), instance.get_event_stream("seen")]
        output, followed, _, seen = [await reader for reader in readers]
        await asyncio.sleep(5)  # nothing can be waited for
        for writer in writers:
            await writer.write("one\n")
        assert await anext(output.lines()) == "ONE"
        assert await anext(followed.lines()) == "one"
        assert await anext(writers[2].lines()) == "ONE"
        assert await anext(seen.json()) == {"line": "one\n"}
        for stream in (*writers[:2], writers[2], *readers):
            await stream.close()


async def test_stdin(start):
    instance = await start("""
        import sys

        async def run(context, input):
            async for chunk in sys.stdin:
                yield chunk
    """)
    await instance.send_stdin("one\n")
    assert await instance.get_output().read() == b"one\n"


async def test_bytes_pass_unchanged(start):
    data = bytes(range(256)) * 40_000
    instance = await start()
    received = asyncio.ensure_future(instance.get_output().read())
    await instance.send_input(data)
    assert await received == data


async def test_events(start):
    instance = await start("""
        import asyncio

        async def run(context, input):
            context.on("ping", lambda message: context.emit("pong", message))
            async for line in input:
                yield line
    """)
    stream = await instance.get_event_stream("pong")
    values = stream.json()
    for message in ({"a": [1]}, "text", 5):
        await instance.send_event("ping", message)
        assert await anext(values) == message
    assert await instance.get_event("pong") == 5
    with pytest.raises(errors.HubTimeoutError):
        await instance.get_next_event("pong", timeout=0.05)
    with pytest.raises(errors.HubTimeoutError):
        await instance.get_event("a name/with? everything", timeout=0.05)
    with pytest.raises(TypeError, match="an event name must be a str"):
        await instance.send_event(5)


async def test_stop_and_kill(start, client):
    instance = await start()
    assert (await instance.get_health()).healthy is True
    assert (await instance.stop(timeout=0.01)).id == instance.id
    assert (await ended(instance)).is_ended
    instance = await start()
    assert (await instance.kill()).id == instance.id
    assert (await ended(instance)).is_ended
    instance = await start()
    await instance.kill(remove_immediately=True)

    with pytest.raises(errors.NotFoundError, match="not found"):
        while True:
            await client.get_instance_info(instance.id)


async def test_a_writer_learns_that_the_instance_was_killed(start):
    instance = await start("async def run(context, input):\n    import asyncio\n    await asyncio.Event().wait()\n")
    writer = await instance.open_input()

    async def write():
        while True:
            await writer.write(b"x" * 100_000)

    writing = asyncio.ensure_future(write())
    await instance.kill()
    with pytest.raises(errors.InstanceEndedError) as raised:
        await writing
    assert raised.value.reason


async def test_what_is_not_there(client):
    for call in (
        client.instance("none").get_info(),
        client.instance("none").get_health(),
        client.instance("none").kill(),
        client.instance("none").stop(timeout=1),
        client.instance("none").send_event("x"),
        client.instance("none").get_event("x"),
        client.instance("none").send_input("x"),
        client.instance("none").send_stdin("x"),
        client.instance("none").get_output().read(),
        client.instance("none").inout().read(),
        client.instance("a/b?c").get_info(),
        client.sequence("none").list_instances(),
    ):
        with pytest.raises(errors.NotFoundError, match=r"(none|a%2Fb%3Fc|a/b\?c) not found"):
            await call


async def test_a_hub_that_wants_a_token():
    async with serve(port=0, token="s3cret") as hub:
        async with HostClient(hub.url, token="s3cret") as host:
            assert await host.list_sequences() == []
        async with HostClient(hub.url) as host:
            with pytest.raises(errors.AuthenticationError, match="token"):
                await host.send_sequence(b"x" * 5_000_000)


async def test_a_hub_that_goes_away(package):
    async with serve(port=0) as hub:
        host = HostClient(hub.url)
        instance = await (await host.send_sequence(package(ECHO))).start()
        reader = await instance.get_output()
    with contextlib.suppress(errors.StreamError):
        await reader.read()
    with pytest.raises(errors.HubConnectionError):
        await host.get_version()
    await host.close()


def test_identity():
    one, other = HostClient("http://h/api/v1/"), HostClient("http://h")
    assert one.sequence("a") == other.sequence("a")
    assert one.sequence("a") != one.sequence("b")
    assert one.instance("a") != HostClient("http://i").instance("a")
    assert one.sequence("a") != one.instance("a")
    assert len({one.instance("a"), InstanceClient("a", other)}) == 1
    assert len({one.sequence("a"), SequenceClient("a", other)}) == 1
    assert repr(one.instance("a")) == "InstanceClient('a', HostClient('http://h/api/v1'))"
    with pytest.raises(ValueError, match="can't be an Instance id"):
        one.instance("")
    with pytest.raises(TypeError, match="a Sequence id must be a str"):
        one.sequence({"id": "x"})


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"args": [1, float("nan")]}, ValueError, r"args\[1\] is nan, and JSON has no such number"),
        ({"app_config": {"a": [{"b": float("-inf")}]}}, ValueError, r"app_config\['a'\]\[0\]\['b'\] is -inf"),
        ({"limits": {"memory": float("inf")}}, ValueError, r"limits\['memory'\] is inf"),
        ({"args": [2**64]}, ValueError, r"args\[0\] is a number beyond 64 bits: send it as a str"),
        ({"args": [["a", object()]]}, TypeError, r"args\[0\]\[1\] can't be sent as JSON: .*object"),
    ],
)
async def test_arguments_that_json_does_not_have(client, options, error, complaint):
    with pytest.raises(error, match=complaint):
        await client.sequence("x").start(**options)


async def test_other_arguments_that_can_not_be_sent(client):
    instance = client.instance("x")
    with pytest.raises(ValueError, match=r"message\['t'\] is nan"):
        await instance.send_event("e", {"t": float("nan")})
    with pytest.raises(ValueError, match="per_second is nan"):
        await instance.set_monitoring_rate(float("nan"))
    with pytest.raises(TypeError, match="timeout must be a number of seconds, not str"):
        await instance.stop("soon")
    for seconds in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="timeout must be a number of seconds from 0 on"):
            await instance.stop(seconds)


async def test_what_json_has_no_word_for_is_sent_as_what_is_like_it(client, package):
    echo = "async def run(context, input, *args):\n    import json\n    yield json.dumps([args, context.config])\n"
    sequence = await client.send_sequence(package(echo))
    moment = datetime(2026, 1, 31, tzinfo=timezone.utc)
    instance = await sequence.start(args=[moment, (1, 2.5), True, None], app_config={"set": {1}, "big": 2**63})
    told = json.loads(await instance.get_output().read())
    assert told == [["2026-01-31T00:00:00Z", [1, 2.5], True, None], {"set": [1], "big": 2**63}]
