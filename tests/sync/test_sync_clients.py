"""The sync clients against a real Hub with real Instances."""

import asyncio
import gc
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from transform_hub import errors
from transform_hub.client.transport import Transport
from transform_hub.models import LogEntry
from transform_hub.sync import HostClient, InstanceClient, SequenceClient, TopicClient

SHOUT = """
async def run(context, input, *args):
    print("out", args, context.config)
    context.logger.info("begun")
    context.on("ping", lambda message: context.emit("pong", message))
    async for line in input:
        yield line.upper()
"""
WRITER = """
async def run(context, input, count):
    for number in range(count):
        yield f'{{"number": {number}}}\\n'
"""


def test_a_whole_life(client, package):
    sequence = client.send_sequence(package(SHOUT, name="shout"))
    assert isinstance(sequence, SequenceClient)
    assert sequence.host is client
    assert sequence.get_info().config.name == "shout"
    assert client.get_sequence("shout") == sequence
    instance = sequence.start(args=["a"], app_config={"b": 1})
    assert isinstance(instance, InstanceClient)
    assert instance.host is client
    assert sequence.list_instances() == [instance.id]
    with instance.get_output() as output:
        instance.send_input("zwölf\nboxkämpfer\n")
        assert list(output.lines()) == ["ZWÖLF", "BOXKÄMPFER"]
    assert instance.wait().exitcode == 0
    assert instance.get_stdout().read() == b"out ('a',) {'b': 1}\n"
    assert "begun" in [entry.msg for entry in instance.get_log().json(LogEntry)]
    sequence.delete(force=True)
    with pytest.raises(errors.NotFoundError, match=f"Sequence {sequence.id} not found"):
        sequence.get_info()


def test_run(client, package):
    done = client.run(package(SHOUT), input=iter(["one\n", "two\n"]), content_type="text/plain", check=True)
    assert done.output == b"ONE\nTWO\n"
    assert done.returncode == 0
    assert client.list_sequences() == []
    with pytest.raises(errors.InstanceFailedError, match="no luck"):
        client.run(package("def run(context, input): raise ValueError('no luck')"), check=True)


def test_a_sequence_that_is_there_already_is_run(client, package):
    sequence = client.send_sequence(package(SHOUT))
    assert client.run(sequence, input="x\n").output == b"X\n"
    assert sequence.get_info().id == sequence.id


def test_pieces_and_both_ways(start):
    instance = start(SHOUT)
    with instance.open_input("text/plain") as writer:
        lines = instance.get_output().lines()
        for word in ("one", "two"):
            writer.write(f"{word}\n")
            assert next(lines) == word.upper()
    assert list(lines) == []
    instance = start(SHOUT)
    with instance.inout("text/plain") as both:
        lines = both.lines()
        both.write("three\n")
        assert next(lines) == "THREE"
        both.close_input()
        assert list(lines) == []


def test_events(start):
    instance = start(SHOUT)
    values = instance.get_event_stream("pong").open().json()
    for message in ({"a": [1]}, "text", 5):
        instance.send_event("ping", message)
        assert next(values) == message
    with pytest.raises(errors.HubTimeoutError):
        instance.get_next_event("pong", timeout=0.05)


def test_messages_and_groups(client):
    topic = client.topic("files", "application/vnd.scramjet.messages")
    with topic.get(group="g") as reader:
        topic.send_messages(bytes([number]) * number for number in range(3))
        topic.delete()
        assert list(reader.messages()) == [b"", b"\1", b"\2\2"]


def test_topics(client):
    topic = client.topic("words", "text/plain")
    assert isinstance(topic, TopicClient)
    with topic.get() as reader:
        topic.send("one\n")
        with topic.open() as writer:
            writer.write("two\n")
        lines = reader.lines()
        assert [next(lines), next(lines)] == ["one", "two"]
    with topic.get(follow=True) as follower:
        topic.send("three\n")
        assert next(follower.lines()) == "three"
    topic.delete()


def test_a_stream_is_not_read_ahead_of_who_reads_it(start):
    """A reader that reads no further makes the Sequence wait, however much it has to write."""
    instance = start(
        """
        async def run(context, input):
            written = 0
            context.on("report", lambda message: context.emit("written", written))
            while True:
                written += 1
                yield b"x" * 1000_000
        """
    )
    chunks = iter(instance.get_output())
    next(chunks)

    reports = instance.get_event_stream("written").open().json()

    def written():
        instance.send_event("report")
        return next(reports)

    before, after = written(), written()
    while before != after:
        before, after = after, written()
    assert after < 50


def test_an_iteration_that_is_broken_off_closes_its_stream(start):
    reader = start(WRITER, args=[100]).get_output()
    for value in reader.json():
        assert value == {"number": 0}
        break
    assert "closed" in repr(reader)
    with pytest.raises(errors.StreamError, match="closed here"):
        reader.read()


def test_a_stream_that_is_dropped_is_closed(start, monkeypatch):
    closed = threading.Event()
    reader = start(WRITER, args=[100]).get_output().open()
    response = reader._async._response
    close = response.close
    monkeypatch.setattr(response, "close", lambda: (close(), closed.set(), threading.current_thread().name))
    reader._async._finalizer.detach()
    reader._async._finalizer = response.close
    del reader
    gc.collect()
    assert closed.wait(10)


@pytest.mark.parametrize("kind", ["bytes", "file", "iterator", "list", "path", "str path"])
def test_a_sequence_can_be_sent_as(client, package, tmp_path, kind):
    data = package(SHOUT)
    path = tmp_path / "s.tar.gz"
    path.write_bytes(data)
    source = {
        "bytes": data,
        "file": io.BytesIO(data),
        "iterator": iter([data[:10], data[10:]]),
        "list": [data[:10], data[10:]],
        "path": path,
        "str path": str(path),
    }
    assert client.send_sequence(source[kind]).get_info().config.entrypoint_path == "main.py"


def test_one_client_in_many_threads(client, package):
    sequence = client.send_sequence(package(SHOUT))
    together = threading.Barrier(8)

    def talk(number):
        together.wait(20)
        instance = sequence.start()
        instance.send_input(f"{number}a\n" * 1000)
        return list(instance.get_output().lines())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(talk, range(8))) == [[f"{number}A"] * 1000 for number in range(8)]


async def test_where_a_loop_runs_already(client, package):
    assert asyncio.get_running_loop().is_running()
    assert client.run(package(SHOUT), input="x\n").output == b"X\n"


def test_clients_as_context_managers(hub):
    with HostClient(hub.url) as host:
        assert host.get_version().api_version == "v1"
    assert host.get_version().api_version == "v1"  # a later call connects again
    host.close()


def test_what_they_are(client):
    other = HostClient(client.url)
    assert client.instance("a") == other.instance("a") == InstanceClient("a", client)
    assert client.instance("a") != client.sequence("a")
    assert client.instance("a") != "a"
    assert len({client.sequence("a"), other.sequence("a"), SequenceClient("a", client)}) == 1
    assert repr(client.topic("t")) == f"TopicClient('t', HostClient('{client.url}'), 'application/x-ndjson')"
    assert client.topic("t").name == "t"
    with pytest.raises(TypeError, match="a Sequence id must be a str"):
        client.sequence(5)
    with pytest.raises(ValueError, match="URL"):
        HostClient("nonsense")


def test_a_client_of_another_class(hub):
    class Mine(HostClient):
        pass

    with Mine(hub.url) as mine:
        assert mine.sequence("a").host is mine


def test_from_env(hub, monkeypatch):
    monkeypatch.setenv("SCRAMJET_HUB_URL", hub.url)
    with HostClient.from_env(timeout=5) as host:
        assert type(host) is HostClient
        assert isinstance(host._async.transport, Transport)
        assert host.list_sequences() == []


def test_nothing_is_left_of_clients_and_streams_that_are_dropped(hub, start):
    instance = start("async def run(context, input):\n    import asyncio\n    await asyncio.Event().wait()")

    def use():
        host = HostClient(hub.url)
        host.get_version()
        host.instance(instance.id).get_output().open()
        next(host.get_log().lines())
        host.topic("t").open().open()

    use()
    gc.collect()
    before = descriptors()
    for _ in range(30):
        use()
    gc.collect()
    while descriptors() > before:
        hub.client.get_version()


def descriptors():
    return len(list(Path("/dev/fd").iterdir()))
