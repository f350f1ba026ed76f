"""The examples of docs/sync.md run against a real Hub."""

import contextlib
import io
import re
import types
from pathlib import Path

import pytest

from transform_hub.models import LogEntry
from transform_hub.sync import HostClient

DOCUMENT = (Path(__file__).parents[2] / "docs" / "sync.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
ENDLESS = re.compile(r"^for \w+ in [\w.]+\(follow=True\).*: \.\.\. .*\n", re.MULTILINE)

ECHO = """
async def run(context, input, *args):
    async for line in input:
        yield line
"""
TAKE = """
async def run(context, input):
    lines = 0
    async for piece in input:
        lines += piece.count("\\n" if isinstance(piece, str) else b"\\n")
    context.emit("lines", lines)
"""
TELL = """
async def run(context, input):
    yield "one\\n"
    yield "two\\n"
"""


class Fresh:
    """An Instance of its own for each thing that an example does with one."""

    def __init__(self, sequence):
        self.sequence, self.used = sequence, []

    def __getattr__(self, name):
        self.used.append(self.sequence.start())
        return getattr(self.used[-1], name)

    def lines(self):
        """How many each of them took."""
        return [instance.get_event("lines", timeout=20) for instance in self.used]


@pytest.fixture
def surroundings(client, hub, package, tmp_path, monkeypatch):
    """What the examples take for granted."""
    folder = tmp_path / "my-sequence"
    folder.mkdir()
    (folder / "package.json").write_text('{"name": "x", "main": "main.py", "engines": {"python3": "*"}}')
    (folder / "main.py").write_text(ECHO)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\nc\n")))
    port = contextlib.nullcontext(io.BytesIO(b"21.5\n22.0\n"))
    return {
        "HostClient": HostClient,
        "LogEntry": LogEntry,
        "bar": types.SimpleNamespace(update=[].append),
        "first": Fresh(client.send_sequence(package(TELL))),
        "host": client,
        "requests": types.SimpleNamespace(post=lambda *_: types.SimpleNamespace(json=lambda: {"token": "fresh"})),
        "second": Fresh(client.send_sequence(package(TAKE))),
        "serial": types.SimpleNamespace(Serial=lambda *_: port),
        "sys": __import__("sys"),
        "url": hub.url,
    }


def run(example, names, hub):
    example = ENDLESS.sub("", example).replace("http://127.0.0.1:8000/api/v1", hub.url)
    example = example.replace('"https://login.example.org/token", ...', '"https://login.example.org/token"')
    exec(compile(example, "docs/sync.md", "exec"), names)


def test_the_first_example(surroundings, hub, capsys):
    run(EXAMPLES[0], surroundings, hub)
    assert capsys.readouterr().out == "some text\n"


def test_streams(surroundings, client, hub, package, capsys):
    surroundings["instance"] = Fresh(client.send_sequence(package(ECHO)))
    run(EXAMPLES[1], surroundings, hub)
    assert capsys.readouterr().out == "ping\n"
    _, written = surroundings["instance"].used
    assert list(written.get_output().lines()) == [str(number) for number in range(1000)]


def test_many_small_pieces(surroundings, hub):
    surroundings["instance"] = surroundings["second"]
    run(EXAMPLES[2].replace("1_000_000", "100_000"), surroundings, hub)
    assert surroundings["second"].lines() == [100_000]


def test_what_is_handed_over(surroundings, client, hub, package):
    surroundings["instance"] = Fresh(client.send_sequence(package(TAKE)))
    run(EXAMPLES[3] + "\nassert host.get_version()", surroundings, hub)
    assert surroundings["instance"].lines() == [2, 3]
    assert surroundings["second"].lines() == [2]


def test_no_example_is_left_out():
    assert len(EXAMPLES) == 4
    assert len(ENDLESS.findall(DOCUMENT)) == 2
