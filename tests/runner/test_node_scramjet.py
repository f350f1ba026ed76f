"""JavaScript Sequences that pack the `scramjet` framework of npm: what they return, and our input as its source."""

import io
import json
import shutil

import pytest

from transform_hub.package import pack
from transform_hub.runner.nodejs import PROGRAM

pytestmark = pytest.mark.slow

NODE_MODULES = PROGRAM.parent / "vendor" / "node_modules"  # scramjet as it comes from npm

RETURNED = {
    "DataStream": ("DataStream.from([1, 'a', { b: 2 }])", b'1\na{"b":2}\n'),  # a packed copy: its strings are text
    "mapped": ("DataStream.from([1, 2]).map(async (n) => ({ n }))", b'{"n":1}\n{"n":2}\n'),
    "StringStream": ("StringStream.from(['a\\n', 'b\\n'])", b"a\nb\n"),
    "BufferStream": ("BufferStream.from([Buffer.from([0, 255])])", b"\x00\xff"),
    "stringified": ("DataStream.from([1, 2]).stringify((n) => `${n};`)", b"1;2;"),
    "toJSONArray": ("DataStream.from([1, 2]).toJSONArray()", b"[\n1,\n2\n]"),
    "from a generator": ("DataStream.from(async function* () { yield 'a'; yield 'b' })", b"ab"),
    "DataStream of the input": ("DataStream.from(input).map((text) => 'Hello ' + text)", b"Hello one\ntwo"),
    "of the input": ("StringStream.from(input).lines().map((line) => line.toUpperCase() + '!')", b"ONE!TWO!"),
    "piped": (
        "input.pipe(new StringStream()).lines().parse((line) => ({ line }))",
        b'{"line":"one"}\n{"line":"two"}\n',
    ),
}


@pytest.fixture
async def sequence(tmp_path, api, launch_js):
    """The id of a Sequence with scramjet in its node_modules; its first argument says what it returns."""
    shutil.copytree(NODE_MODULES, tmp_path / "sequence" / "node_modules")
    package = {"name": "framework", "version": "1.0.0", "main": "main.js", "engines": {"node": ">=18"}}
    (tmp_path / "sequence" / "package.json").write_text(json.dumps(package))
    (tmp_path / "sequence" / "main.js").write_text("""
        const { DataStream, StringStream, BufferStream } = require("scramjet");
        module.exports = (input, code) => eval(code);
    """)
    archive = io.BytesIO()
    pack(tmp_path / "sequence", archive)
    return await api.send(archive.getvalue())


@pytest.mark.parametrize("kind", RETURNED)
async def test_what_is_returned(kind, sequence, api):
    code, expected = RETURNED[kind]
    instance = await api.start(sequence, args=[code])
    if "input" in code:
        await api.input(instance, b"one\ntwo")
    assert await api.read(f"{instance}/output") == expected
    assert (await api.ended(instance))["status"] == "completed"


async def test_a_function_that_fails(sequence, api):
    instance = await api.start(sequence, args=["DataStream.from([1]).map(() => { throw new Error('in a map') })"])
    info = await api.ended(instance)
    assert info["terminated"]["exitcode"] == 23
    assert "in a map" in info["error"]
