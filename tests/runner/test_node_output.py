"""What JavaScript Sequences may export and return, and what is written of it."""

import pytest

RETURNED = {
    "string": ("return 'text'", b"text"),
    "number": ("return 1.5", b"1.5"),
    "boolean": ("return false", b"false"),
    "nothing": ("", b""),
    "null": ("return null", b""),
    "buffer": ("return Buffer.from([0, 255])", b"\x00\xff"),
    "float array": ("return new Uint16Array([0x4142])", b"BA"),
    "array": ("return ['a', 1, {b: [null]}]", b'"a"\n1\n{"b":[null]}\n'),
    "set": ("return new Set(['a', 'b'])", b'"a"\n"b"\n'),
    "plain object": ("return {a: 1}", b'{"a":1}\n'),
    "promise": ("return Promise.resolve(['a'])", b'"a"\n'),
    "array of promises": ("return [Promise.resolve('a'), 'b']", b'"a"\n"b"\n'),
    "generator": ("return (function* () { yield 'a'; yield 2 })()", b'"a"\n2\n'),
    "async generator": ("return (async function* () { yield 'a'; yield 2 })()", b'"a"\n2\n'),
    "async iterable": ("return {async *[Symbol.asyncIterator]() { yield 1 }}", b"1\n"),
    "undefined items": ("return [1, undefined, 2]", b"1\n2\n"),
    "bytes in a generator": ("return (function* () { yield Buffer.from('raw') })()", b"raw"),
    "Readable of bytes": ("return Readable.from([Buffer.from('a'), Buffer.from('b')], {objectMode: false})", b"ab"),
    "Readable of objects": ("return Readable.from([{a: 1}, 'text\\n'])", b'{"a":1}\ntext\n'),
    "PassThrough": ("const p = new stream.PassThrough(); p.end('through'); return p", b"through"),
    "web stream": ("return new Blob(['web']).stream()", b"web"),
    "old stream": (
        "const s = new stream.Stream(); s.pause = s.resume = () => {};"
        "setImmediate(() => { s.emit('data', 'old'); s.emit('end') }); return s",
        b"old",
    ),
    "declared ndjson": (
        "return Object.assign(Readable.from(['a', 1]), {contentType: 'application/x-ndjson'})",
        b'"a"\n1\n',
    ),
    "declared text": ("return Object.assign(['a\\n', 'b\\n'], {contentType: 'text/plain'})", b"a\nb\n"),
    "letters": ("return ['\u00e9\U0001f600', '\\ud800']", b'"\xc3\xa9\xf0\x9f\x98\x80"\n"\\ud800"\n'),
}


@pytest.mark.parametrize("kind", RETURNED)
async def test_what_is_returned(kind, js):
    code, expected = RETURNED[kind]
    output, info = await js(f"""
        const stream = require("stream"), {{ Readable }} = stream;
        module.exports = function (input) {{ {code} }};
    """)
    assert output == expected
    assert (info["status"], info["terminated"]) == ("completed", {"exitcode": 0, "reason": "Instance completed"})


EXPORTED = {
    "arrow": "module.exports = () => ['a']",
    "async": "module.exports = async () => ['a']",
    "generator function": "module.exports = function* () { yield 'a' }",
    "async generator function": "module.exports = async function* () { yield 'a' }",
    "exports.default": "exports.default = () => ['a']",
    "compiled module": "Object.defineProperty(exports, '__esModule', {value: true}); exports.default = () => ['a']",
    "array of one": "module.exports = [() => ['a']]",
}


@pytest.mark.parametrize("kind", EXPORTED)
async def test_what_is_exported(kind, js):
    output, _ = await js(EXPORTED[kind])
    assert output == b'"a"\n'


async def test_functions_are_chained(js):
    output, info = await js(
        """
        module.exports = [
            (input, add) => [1, 2, 3].map((n) => n + add),
            (stream, add) => stream.filter((n) => n % 2).map((n) => n + add),
            async function* (stream) { for await (const n of stream) yield { n } },
        ]
        """,
        args=[10],
    )
    assert output == b'{"n":21}\n{"n":23}\n'
    assert info["status"] == "completed"


async def test_a_chain_carries_the_input_through(js):
    source = "module.exports = [(input) => input, (input) => input.map((text) => text.toUpperCase())]"
    assert (await js(source, b"text"))[0] == b"TEXT"


async def test_a_chain_that_ends_early_fails(js, api):
    _, info = await js("module.exports = [() => 5, (stream) => stream]")
    assert info["terminated"]["exitcode"] == 23
    assert "a function that is not the last must return a stream or an iterable, not 5" in info["error"]


async def test_what_can_not_be_written(js):
    _, info = await js("module.exports = () => new Date(0)")
    assert info["terminated"]["exitcode"] == 23
    assert info["error"] == "Error: the Sequence returned Date, which can't be written to its output"


async def test_many_small_values(js):
    output, _ = await js("module.exports = function* () { for (let i = 0; i < 100000; i++) yield i }")
    assert output == b"".join(b"%d\n" % number for number in range(100_000))


async def test_a_long_value(js):
    output, _ = await js("module.exports = () => ['x'.repeat(10_000_000)]")
    assert output == b'"' + b"x" * 10_000_000 + b'"\n'


MODULES = {
    "main without extension": {"main": "lib/start", "files": {"lib/start.js": "module.exports = () => ['a']"}},
    "main is a folder": {"main": "lib", "files": {"lib/index.js": "module.exports = () => ['a']"}},
    "mjs": {"main": "start.mjs", "files": {"start.mjs": "export default () => ['a']"}},
    "mjs without extension": {"main": "start", "files": {"start.mjs": "export default () => ['a']"}},
    "cjs in a module package": {
        "main": "start.cjs",
        "fields": {"type": "module"},
        "files": {"start.cjs": "module.exports = () => ['a']"},
    },
    "other files": {
        "main": "a.js",
        "files": {"a.js": "module.exports = require('./lib/b')", "lib/b.js": "module.exports = () => ['a']"},
    },
    "vendored": {
        "main": "a.js",
        "files": {
            "a.js": "const b = require('b'); module.exports = () => [b]",
            "node_modules/b/package.json": '{"name": "b", "main": "./b.js"}',
            "node_modules/b/b.js": "module.exports = 'a'",
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", MODULES)
async def test_modules(kind, api, package, launch_js):
    case = MODULES[kind]
    fields = {"engines": {"node": ">=18"}, **case.get("fields", {})}
    instance = await api.start(await api.send(package(files=case["files"], main=case["main"], **fields)))
    assert await api.read(f"{instance}/output") == b'"a"\n'


async def test_an_es_module_with_top_level_await(js):
    output, _ = await js(
        """
        import fs from "node:fs/promises";
        const text = await fs.readFile("data.txt", "utf8");
        export default [() => [text.trim(), import.meta.url.endsWith("main.js")]];
        """,
        files={"data.txt": "beside it\n"},
        fields={"type": "module"},
    )
    assert output == b'"beside it"\ntrue\n'


async def test_without_engines_the_extension_decides(api, package, launch_js):
    archive = package(files={"start.mjs": "export default () => 'js'"}, main="start.mjs", engines=None)
    assert await api.read(f"{await api.start(await api.send(archive))}/output") == b"js"
