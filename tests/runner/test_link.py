"""Who may speak on the runner link."""

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest

from transform_hub.protocol import CHANNELS, MessageBuffer, encode
from transform_hub.runner.link import dial

SOURCE = "def run(context, input): return input"


@pytest.fixture
def connect(hub):
    """Connects to the link and says ``first``; gives what the Hub answers up to its end."""

    async def call(first):
        reader, writer = await asyncio.open_unix_connection(hub.link.address.partition(":")[2])
        try:
            writer.write(first)
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    return call


def instance_of(hub, path):
    return hub.instances[path.rpartition("/")[2]]


async def works(api, path):
    assert (await api.input(path, b"works")).status == 200
    assert await api.read(f"{path}/output") == b"works"
    assert (await api.ended(path))["status"] == "completed"


WRONG = {
    "secret": {"secret": "0" * 32},
    "no secret": {"secret": None},
    "secret of another type": {"secret": 5},
    "secret that is not ASCII": {"secret": "ä"},
    "instance": {"instance": "unknown"},
    "instance of another type": {"instance": ["a"]},
    "channel": {"channel": "unknown"},
    "channel of another type": {"channel": {"a": 1}},
    "channel that is taken": {},
    "control that is taken": {"channel": "control"},
}


async def test_a_wrong_hello_is_refused_and_harms_nobody(launch, api, hub, connect):
    path = await launch(SOURCE)
    instance = instance_of(hub, path)
    pid = (await api.get(f"{path}/health")).json["processId"]
    right = {"instance": instance.id, "secret": instance.secret, "channel": "output", "pid": 1}
    answers = {kind: await connect(encode({**right, **wrong})) for kind, wrong in WRONG.items()}
    assert answers == dict.fromkeys(WRONG, b"")
    assert (await api.get(f"{path}/health")).json["processId"] == pid != 1
    await works(api, path)


GARBAGE = {
    "no JSON": b"GET / HTTP/1.1\r\n\r\n",
    "empty line": b"\n",
    "no object": b"[]\n",
    "a number": b"5\n",
    "null": b"null\n",
    "not UTF-8": b"\xff\xfe\n",
    "deep": b"[" * 4000 + b"\n",
    "endless": b"x" * 1_000_000,
    "long": json.dumps({"instance": "a" * 10_000}).encode() + b"\n",
}


async def test_garbage_is_cut_off(launch, api, connect):
    path = await launch(SOURCE)
    assert {kind: await connect(data) for kind, data in GARBAGE.items()} == dict.fromkeys(GARBAGE, b"")
    await works(api, path)


async def test_an_instance_that_ended_takes_no_more_connections(launch, api, hub, connect):
    path = await launch("def run(context, input): pass")
    await api.ended(path)
    instance = instance_of(hub, path)
    for channel in CHANNELS:
        hello = {"instance": instance.id, "secret": instance.secret, "channel": channel, "pid": 1}
        assert await connect(encode(hello)) == b""
    assert (await api.get(path)).json["status"] == "completed"


async def test_a_connection_that_comes_and_goes_harms_nobody(launch, api, hub):
    path = await launch(SOURCE)
    for _ in range(50):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(hub.link.address.partition(":")[2])
    await works(api, path)


async def test_only_this_user_can_reach_the_socket(hub):
    folder = Path(hub.link.address.partition(":")[2]).parent
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_sequence_that_sends_garbage_on_control_ends_itself_alone(launch, api, log):
    path = await launch(SOURCE)
    other = await launch("""
        import os, socket
        def run(context, input):
            context._send.__self__._sock.sendall(b"no JSON\\n")
            return input
    """)
    assert (await api.ended(other))["status"] == "errored"
    await works(api, path)


def test_dial_says_hello(tmp_path):
    path = str(tmp_path / "link")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        with dial(f"unix:{path}", "id", "secret", "output"), server.accept()[0] as peer:
            (hello,) = MessageBuffer().feed(peer.recv(1000))
            assert hello == {"instance": "id", "secret": "secret", "channel": "output", "pid": os.getpid()}


def test_nobody_there():
    with pytest.raises(OSError, match="No such file"):
        dial("unix:/nonexistent", "id", "secret", "output")


def test_lines_are_put_together():
    lines = MessageBuffer()
    assert lines.feed(b'{"a":') == []
    assert lines.feed(b'1}\n\n{"b":2}\n{"c"') == [{"a": 1}, {"b": 2}]
    assert lines.feed(b":3}\n") == [{"c": 3}]


def test_a_line_without_end_is_an_error():
    lines = MessageBuffer(limit=100)
    lines.feed(b"x" * 100)
    with pytest.raises(ValueError, match="longer than 100 bytes"):
        lines.feed(b"x")


def test_messages_are_one_line_that_every_reader_takes():
    line = encode({"text": "ä\n\u2028 \udcff \ud800"})
    assert line.count(b"\n") == 1
    assert json.loads(line.decode("utf-8")) == {"text": "ä\n\u2028 ? ?"}
