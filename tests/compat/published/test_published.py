"""Clients, ``si`` and libraries that npm and PyPI carry do their work with our Hub."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import npm_packages
from transform_hub.package import pack
from transform_hub.sync import HostClient

pytestmark = pytest.mark.timeout(2 * npm_packages.INSTALL_TIMEOUT + 120)

PARROT = """
async def run(context, input, *args):
    context.on("ping", lambda message: context.emit("pong", message))
    async for line in input:
        yield f"{context.config.get('greeting')} {line.strip()}{''.join(args)}\\n"
"""


@pytest.fixture
def packed(tmp_path):
    """Makes a package in a file: ``packed({"main.py": "..."}, {"node_modules/x": path})``."""

    def make(files, folders=(), **fields):
        place = tmp_path / "sequence"
        place.mkdir()
        for name, text in files.items():
            (place / name).write_text(text)
        for name, folder in dict(folders).items():
            shutil.copytree(folder, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        main = next(iter(files))
        engine = "python3" if main.endswith(".py") else "node"
        fields = {"name": "published", "version": "1.0.0", "main": main, "engines": {engine: ">=3.8"}, **fields}
        (place / "package.json").write_text(json.dumps(fields))
        archive = tmp_path / "sequence.tar.gz"
        with archive.open("wb") as file:
            pack(place, file)
        return archive

    return make


def ran(*command, **environment):
    """Stdout of a command that works."""
    env = {**{name: value for name, value in os.environ.items() if not name.startswith("SCRAMJET_")}, **environment}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def test_the_client_of_npm(node_modules, url, packed):
    program = Path(__file__).with_name("drive_npm.mjs")
    assert node_modules.is_dir()
    assert json.loads(ran("node", program, url, packed({"main.py": PARROT}))) == {
        "listed": True,
        "instances": True,
        "healthy": True,
        "running": "running",
        "output": "Hello one!\nHello two!\n",
        "status": "completed",
        "topics": True,
        "pong": "over",
    }


def test_the_client_of_pypi(published_client, url, packed):
    program = Path(__file__).with_name("drive_pypi.py")
    archive = packed({"main.py": PARROT})
    printed = ran(sys.executable, program, url, archive, PYTHONPATH=str(published_client))  # it prints what it does
    assert json.loads(printed.splitlines()[-1]) == {
        "api": "v1",
        "is_published": True,
        "listed": True,
        "instances": True,
        "healthy": True,
        "status": "running",
        "event": {"accepted": "OK"},
        "output": 'None "one\\n"\n',  # it sends everything as JSON
    }


def test_the_si_of_npm(node_modules, url, packed, tmp_path):
    archive = packed({"main.py": PARROT})
    file = tmp_path / "input"
    file.write_text("one\ntwo\n")

    def si(*words):
        return ran("node", node_modules / ".bin" / "si", *words, HOME=str(tmp_path), TMPDIR=str(tmp_path))

    si("config", "set", "apiUrl", url)
    si("config", "set", "log", "--format", "json")
    sequence = json.loads(si("seq", "send", archive))["_id"]
    assert sequence in [each["id"] for each in json.loads(si("seq", "list"))]
    instance = json.loads(si("seq", "start", sequence, "--args", '["!"]', "-s", '{"greeting": "Hello"}'))["_id"]
    assert instance in [each["id"] for each in json.loads(si("inst", "list"))]
    assert json.loads(si("inst", "health", instance))["healthy"] is True
    si("inst", "input", instance, file, "--content-type", "text/plain", "--end")
    assert si("inst", "output", instance) == "Hello one!\nHello two!\n"
    other = json.loads(si("seq", "start", sequence))["_id"]
    si("inst", "stop", other, "1000")
    assert json.loads(si("inst", "info", other))["status"] in ("stopping", "completed")


SCRAMJET = {
    "strings are raw": (
        "input => StringStream.from(input).lines().map((line) => `${line}!\\n`)",
        b"one\ntwo\n",
        b"one!\ntwo!\n!\n",  # its lines() gives the empty one after the last newline, too
    ),
    "values are JSON": (
        "input => StringStream.from(input).lines().filter(Boolean).parse((line) => ({ line }))",
        b"one\ntwo\n",
        b'{"line":"one"}\n{"line":"two"}\n',
    ),
    "a stream of its own": ("() => DataStream.from([1, 2, 3]).map((n) => n * 2).batch(2)", None, b"[2,4]\n[6]\n"),
    "reduced": ("() => DataStream.from([1, 2, 3]).reduce((sum, n) => sum + n, 0)", None, b"6"),
    "a chain": (
        "[() => DataStream.from(['a', 'b']), (stream) => stream.map((x) => ({ x }))]",
        None,
        b'{"x":"a"}\n{"x":"b"}\n',
    ),
}


@pytest.fixture
def output(url):
    """Runs a package with text as its input; its output."""

    def run(archive, data):
        with HostClient(url) as host:
            sequence = host.send_sequence(archive)
            instance = sequence.start()
            if data is not None:
                instance.send_input(data, content_type="text/plain")
            return instance.get_output().read()

    return run


@pytest.mark.parametrize("kind", SCRAMJET)
def test_the_library_of_npm_packed_with_a_sequence(kind, node_modules, packed, output):
    exported, data, expected = SCRAMJET[kind]
    names = ("scramjet", "scramjet-core", "papaparse", "rereadable-stream")
    source = f"const {{ DataStream, StringStream }} = require('scramjet');\nmodule.exports = {exported};\n"
    archive = packed({"index.js": source}, {f"node_modules/{name}": node_modules / name for name in names})
    assert output(archive, data) == expected


FRAMEWORK = {
    "a stream": ("Stream.from_iterable(['a\\n', 'b\\n']).map(str.upper)", None, b"A\nB\n"),
    "the input": ("input.map(lambda line: line.strip() + '!')", b"one\ntwo\n", b"one!two!"),
    "a StringStream": (
        "StringStream.from_iterable(['one two']).split().map(lambda word: word + ';')",
        None,
        b"one;two;",
    ),
}


@pytest.mark.parametrize("kind", FRAMEWORK)
def test_the_framework_of_pypi_packed_with_a_sequence(kind, framework, packed, output):
    expression, data, expected = FRAMEWORK[kind]
    source = f"from scramjet.streams import *\nasync def run(context, input):\n    return {expression}\n"
    assert output(packed({"main.py": source}, {"__pypackages__/scramjet": framework / "scramjet"}), data) == expected
