"""Input of JavaScript Sequences: types, operators, and streams as Node.js has them."""

import json

import pytest


async def test_text_comes_as_strings(js):
    source = """
        module.exports = async function (input) {
            let text = "";
            for await (const part of input) { if (typeof part !== "string") throw Error(typeof part); text += part; }
            return text.length + text;
        }"""
    assert (await js(source, "aé\n😀".encode(), "text/plain; charset=utf-8"))[0] == "5aé\n😀".encode()


async def test_bytes_come_as_buffers(js):
    source = """
        module.exports = async (input) => {
            const parts = [];
            for await (const part of input) { if (!Buffer.isBuffer(part)) throw Error(typeof part); parts.push(part); }
            return Buffer.concat(parts);
        }"""
    data = bytes(range(256)) * 3000
    assert (await js(source, data, "application/octet-stream"))[0] == data


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json", "text/x-ndjson"])
async def test_json_comes_as_values(content_type, js):
    source = "module.exports = (input) => input.map((value) => [value])"
    output, _ = await js(source, b'{"a": 1}\r\n\n"b"\nfalse\n0\n3', content_type)
    assert output == b'[{"a":1}]\n["b"]\n[false]\n[0]\n[3]\n'


async def test_json_that_can_not_be_taken_fails_after_what_came_before(js):
    data = b"1\n2\n{\n3\n"
    output, info = await js("module.exports = (input) => input.map((n) => n * 2)", data, "application/x-ndjson")
    assert output == b"2\n4\n"
    assert info["terminated"]["exitcode"] == 23
    assert "line 3 of the input is not JSON" in info["error"]


ECHOED = {
    "returned": "return input",
    "piped": "return input.pipe(new PassThrough())",
    "object pipe": "return input.pipe(new PassThrough({objectMode: true}))",
    "data": """
        const out = new PassThrough();
        input.on('data', (d) => out.write(d)).on('end', () => out.end()); return out""",
    "readable": """
        const out = new PassThrough();
        input.on('readable', () => { let d; while ((d = input.read()) !== null) out.write(d) });
        input.on('end', () => out.end()); return out""",
    "pipeline": "const out = new PassThrough(); pipeline(input, out, () => {}); return out",
    "async generator": "return (async function* () { for await (const d of input) yield Buffer.from(d) })()",
    "Readable.from": "return Readable.from(input)",
    "late": "await new Promise((go) => setTimeout(go, 50)); return input",
    "used": "return input.use((stream) => stream.map((x) => x))",
    "sideways": "return input.do(async () => {}).each(() => {}).filter(() => true)",
}


@pytest.mark.parametrize("kind", ECHOED)
@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream"])
async def test_ways_to_read(kind, content_type, js):
    source = f"""
        const {{ PassThrough, Readable, pipeline }} = require("stream");
        module.exports = async function (input) {{ {ECHOED[kind]} }}"""
    data = b"0123456789\n" * 50_000
    output, info = await js(source, data, content_type)
    assert output == data
    assert info["status"] == "completed"


OPERATORS = {
    "input.map((n) => n % 2 ? n : undefined)": [1, 3, 5],
    "input.map(async (n) => { await new Promise((go) => setTimeout(go, 6 - n)); return n })": [1, 2, 3, 4, 5],
    "input.filter(async (n) => n > 3)": [4, 5],
    "input.flatMap((n) => [n, -n]).filter((n) => n < 0)": [-1, -2, -3, -4, -5],
    "input.while((n) => n < 3)": [1, 2],
    "input.until(async (n) => n === 4)": [1, 2, 3],
    "input.batch(2)": [[1, 2], [3, 4], [5]],
    "input.reduce((sum, n) => sum + n, 0).then((sum) => [sum])": [15],
    "input.toArray().then((all) => [all])": [[1, 2, 3, 4, 5]],
    "input.setOptions({maxParallel: 4}).stringify((n) => `${n}\\n`)": [1, 2, 3, 4, 5],
    "input.JSONStringify().JSONParse()": [1, 2, 3, 4, 5],
    "input.stringify(String).append(',').prepend('-').split(',').parse(Number).filter(Boolean)": [-1, -2, -3, -4, -5],
    "input.take(2)": [1, 2],
}  # fmt: skip


@pytest.mark.parametrize("operators", OPERATORS)
async def test_operators(operators, js):
    data = b"1\n2\n3\n4\n5\n"
    output, info = await js(f"module.exports = (input) => {operators}", data, "application/x-ndjson")
    assert [json.loads(line) for line in output.splitlines()] == OPERATORS[operators]
    assert info["status"] == "completed"


async def test_lines(js):
    output, _ = await js("module.exports = (input) => input.lines().map((line) => `<${line}>`)", "a\r\né\nc".encode())
    assert output == "<a><é><c>".encode()


async def test_results_come_as_soon_as_they_are_there(launch_js, api):
    instance = await launch_js("module.exports = (input) => input.map(async (text) => text.toUpperCase())")
    async with api.session.get(f"{api.url}{instance}/output") as output:
        for word in (b"one", b"two"):
            await api.input(instance, word, x_end_stream="false")
            assert await output.content.readexactly(3) == word.upper()


async def test_an_operator_that_fails(js):
    output, info = await js("module.exports = (input) => input.map((text) => text.missing())", b"text")
    assert output == b""
    assert (info["status"], info["terminated"]["exitcode"]) == ("errored", 23)
    assert info["error"] == "TypeError: text.missing is not a function"


async def test_a_sequence_that_returns_nothing_may_read_its_input(launch_js, api):
    instance = await launch_js("module.exports = (input) => { input.on('data', (text) => console.log(text)) }")
    await api.input(instance, b"one", x_end_stream="false")
    async with api.session.get(f"{api.url}{instance}/stdout") as stdout:
        assert await stdout.content.readexactly(4) == b"one\n"
        await api.input(instance, b"two")
        assert await stdout.content.readexactly(4) == b"two\n"
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0


async def test_stdin(launch_js, api):
    instance = await launch_js("""
        module.exports = async function () {
            let text = "";
            for await (const part of process.stdin) text += part;
            return text.toUpperCase();
        }""")
    await api.post(f"{instance}/stdin", b"typed", content_type="application/octet-stream")
    assert await api.read(f"{instance}/output") == b"TYPED"


async def test_stdin_of_a_child(launch_js, api):
    instance = await launch_js("""
        const { execFileSync } = require("child_process");
        module.exports = () => execFileSync("cat", { stdio: ["inherit", "pipe", "inherit"] });
    """)
    await api.post(f"{instance}/stdin", b"typed", content_type="application/octet-stream")
    assert await api.read(f"{instance}/output") == b"typed"
