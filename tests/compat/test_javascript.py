"""JavaScript Sequences of other people, as they are: what STH 1.0.1 gives, or a difference with its reason."""

import pytest

# What STH writes.
RETURNED = {
    "an async generator function": ("() => async function* () { yield { a: 1 }; yield 'two' }", b'{"a":1}\n"two"\n'),
    "a generator function": ("() => function* () { yield { a: 1 }; yield 'two' }", b'{"a":1}\n"two"\n'),
    "a function": ("() => () => [{ a: 1 }, 'two']", b'{"a":1}\n"two"\n'),
    "an async function": ("() => async () => [{ a: 1 }, 'two']", b'{"a":1}\n"two"\n'),
    "a promise of a generator function": ("async () => async function* () { yield 'a' }", b'"a"\n'),
    "a function that returns a generator function": ("() => () => function* () { yield 1 }", b"1\n"),
    "a function that returns a stream": ("() => () => require('stream').Readable.from(['a', 'b'])", b'"a"\n"b"\n'),
    "a generator function first": (
        "[() => async function* () { yield 1; yield 2 }, (s) => s.map((n) => n + 1)]",
        b"2\n3\n",
    ),
    "a function first": ("[() => () => [1, 2], (s) => s.map((n) => n + 1)]", b"2\n3\n"),
    "a generator function last": (
        "[() => ['a'], (s) => async function* () { for await (const x of s) yield x + '?' }]",
        b'"a?"\n',
    ),
    "a stream of text first": (
        "[() => require('stream').Readable.from(['a', 'b']), (s) => s.map((x) => x)]",
        b'"a"\n"b"\n',
    ),
    "bytes of a stream": (
        "() => { const out = new (require('stream').PassThrough)({ encoding: 'binary' });"
        " out.end(Buffer.from([0xf2, 0x42, 0xff])); return out }",
        b"\xf2B\xff",
    ),
    "latin1": (
        "() => { const out = new (require('stream').PassThrough)({ encoding: 'latin1' });"
        " out.end(Buffer.from([0xf2, 0x42, 0xff])); return out }",
        b"\xf2B\xff",
    ),
    "hex": (
        "() => { const out = new (require('stream').PassThrough)({ encoding: 'hex' });"
        " out.end(Buffer.from([0xf2, 0x42, 0xff])); return out }",
        b"f242ff",
    ),
    "NaN": ("function* () { yield { t: NaN }; yield -Infinity; yield 3 }", b'{"t":null}\nnull\n3\n'),
}

# Where it differs: docs/compatibility.md has the reasons. STH gives the last value.
OURS = {
    "a function that returns text": ("() => () => 'text'", b"text", b'"t"\n"e"\n"x"\n"t"\n'),
    "text first": ("[() => 'text', (s) => s.map((x) => `<${x}>`)]", b'"<text>"\n', b'"<t>"\n"<e>"\n"<x>"\n"<t>"\n'),
    "bytes first": ("[() => Buffer.from('abc'), (s) => s]", b"abc", b"97\n98\n99\n"),
    "null among values": ("function* () { yield 1; yield null; yield 3 }", b"1\nnull\n3\n", b"1\n"),
}


@pytest.mark.parametrize("kind", [*RETURNED, *OURS])
async def test_what_a_function_returns(kind, js):
    code, expected = (RETURNED.get(kind) or OURS[kind])[:2]
    output, info = await js(f"module.exports = {code}")
    assert output == expected
    assert info["status"] == "completed"


# Of the text "x\ny\n". STH makes JSON of the text where ours writes it as it is.
TEXT = {
    "returned": ("(input) => input", b"x\ny\n"),
    "mapped": ("(input) => input.map((text) => text + '!')", b"x\ny\n!"),
    "caught": ("(input) => input.map((text) => 'got ' + text).catch((e) => console.error(e))", b"got x\ny\n"),
    "caught lines": ("(input) => input.lines().map((line) => line + ';').catch(() => undefined)", b"x;y;"),
    "to a StringStream": ("(input) => input.toStringStream()", b"x\ny\n"),
}


@pytest.mark.parametrize("kind", TEXT)
async def test_a_text_input(kind, js):
    output, info = await js(f"module.exports = {TEXT[kind][0]}", b"x\ny\n")
    assert output == TEXT[kind][1]
    assert info["status"] == "completed"


@pytest.mark.parametrize(
    "chain", ["input", "input.map((x) => x)", "input.catch(() => {})", "input.tap().map((x) => x)"]
)
async def test_strings_of_an_ndjson_input_are_values(chain, js):
    output, _ = await js(f"module.exports = (input) => {chain}", b'{"a":1}\n"b"\n', "application/x-ndjson")
    assert output == b'{"a":1}\n"b"\n'


INPUTS = {
    "null": (b"1\nnull\n3\n", "application/x-ndjson", b"[1]\n[3]\n"),
    "BOM": (b'\xef\xbb\xbf{"a":1}\n2\n', "application/x-ndjson", b'[{"a":1}]\n[2]\n'),
    "CRLF": (b"1\r\n2\r\n", "application/x-ndjson", b"[1]\n[2]\n"),
    "invalid UTF-8": (b'"\xff"\n2\n', "application/x-ndjson", '["\ufffd"]\n[2]\n'.encode()),
    "a document": (b'{\n  "a": [\n    1\n  ]\n}\n', "application/json", b'[{"a":[1]}]\n'),
    "a document without newline": (b"[\n1]", "application/json", b"[[1]]\n"),
    "values, then a document": (b"1\n2\n{\n}\n", "application/json; charset=utf-8", b"[1]\n[2]\n[{}]\n"),
}


@pytest.mark.parametrize("kind", INPUTS)
async def test_json_inputs(kind, js):
    data, content_type, expected = INPUTS[kind]
    output, info = await js("module.exports = (input) => input.map((x) => [x])", data, content_type)
    assert output == expected
    assert info["status"] == "completed"


async def test_a_broken_document_is_named_by_its_first_line(js):
    _, info = await js("module.exports = (input) => input.map((x) => [x])", b"1\n{\n'a'\n}\n", "application/json")
    assert info["error"].startswith("Error: line 2 of the input is not JSON")


@pytest.mark.parametrize("kind", ["NaN", "null"])
async def test_what_json_or_a_stream_can_not_carry_is_told_once(kind, js, log):
    source = {"NaN": "module.exports = () => [NaN, [Infinity], null]", "null": "module.exports = (input) => input"}[
        kind
    ]
    data = b"null\nnull\n" if kind == "null" else None
    _, info = await js(source, data, "application/x-ndjson")
    warnings = [entry for entry in await log(f"/instance/{info['id']}") if entry["level"] == "WARN"]
    assert len(warnings) == 1
    assert "null" in warnings[0]["msg"]


async def test_null_of_the_sequence_itself_is_no_reason_to_warn(js, log):
    _, info = await js("module.exports = () => [{ a: null }, 'null', null]")
    assert await log(f"/instance/{info['id']}") == []


BROKEN = {
    "uncaught": ("input.tap().map((x) => x)", ("errored", b"1\n")),
    "caught": ("input.map((x) => x).catch((error) => error.message.split(':')[0])", ("completed", b"1\n")),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_input_of_a_stream_of_the_library(kind, js):
    chain, expected = BROKEN[kind]
    output, info = await js(f"module.exports = (input) => {chain}", b"1\n{\n", "application/x-ndjson")
    assert (info["status"], output) == expected
    if kind == "uncaught":
        assert "line 2 of the input is not JSON" in info["error"]


async def test_what_a_stream_declares_stays(js):
    source = """
        module.exports = (input) => {
            const stream = Object.assign(input.map((x) => x), { contentType: "text/plain" });
            stream.catch(() => undefined);
            return stream;
        }"""
    assert (await js(source, b'"a"\n"b"\n', "application/x-ndjson"))[0] == b"ab"


LOGGED = {
    "types": (
        "const l = this.logger; return [typeof l.inputLogStream, typeof l.outputLogStream, typeof l.pipe].join()",
        b"object,object,function",
    ),
    "pipe objects": (
        "const o = new PassThrough({ objectMode: true }); this.logger.pipe(o); this.logger.warn('hello', 1, { a: 2 });"
        "const { level, msg, from, data } = o.read(); return [[level, msg, from, data]]",
        b'["WARN","hello","Sequence",[1,{"a":2}]]\n',
    ),
    "pipe lines": (
        "const o = new PassThrough(); this.logger.pipe(o); this.logger.info('hello');"
        "const text = String(o.read()); return text.at(-1) === '\\n' ? JSON.parse(text).msg : text",
        b"hello",
    ),
    "pipe stringified": (
        "const o = new PassThrough({ objectMode: true }); this.logger.pipe(o, { stringified: true });"
        "this.logger.info('hello'); return JSON.parse(o.read()).msg",
        b"hello",
    ),
    "outputLogStream": (
        "const o = this.logger.outputLogStream; this.logger.fatal('hello'); return o.read().level",
        b"FATAL",
    ),
    "detached": ("const { error } = this.logger; error('hello'); return 'ok'", b"ok"),
}


@pytest.mark.parametrize("kind", LOGGED)
async def test_the_logger_has_streams(kind, js):
    code, expected = LOGGED[kind]
    source = f"const {{ PassThrough }} = require('stream'); module.exports = function () {{ {code} }}"
    assert (await js(source))[0] == expected


async def test_what_is_written_to_the_loggers_streams_is_logged(js, log):
    _, info = await js("""
        module.exports = async function () {
            this.logger.inputLogStream.write({ level: "WARN", msg: "of a stream", from: "me", data: [1] });
            this.logger.inputLogStream.write({ msg: "no level" });
            this.logger.inputStringifiedLogStream.write('{"level": "ERROR", "msg": "a line"}\\n');
            this.logger.write("debug", "written", 2);
            this.logger.info({ msg: "an entry" }, 3);
            this.logger.updateBaseLog({ id: "x" });
            await new Promise(setImmediate);
            this.logger.info("with a field");
        }""")
    entries = await log(f"/instance/{info['id']}")
    told = {entry["msg"]: (entry["level"], entry["from"], entry.get("data"), entry.get("id")) for entry in entries}
    assert {message: told[message][:3] for message in told} == {
        "of a stream": ("WARN", "me", [1]),
        "no level": ("INFO", "Sequence", None),
        "a line": ("ERROR", "Sequence", None),
        "written": ("DEBUG", "Sequence", [2]),
        "an entry": ("INFO", "Sequence", [3]),
        "with a field": ("INFO", "Sequence", None),
    }
    assert told["with a field"][3] == "x"


@pytest.mark.parametrize("body", ["null", "'text'", "5"])
async def test_the_hub_takes_any_body_of_a_start(body, js, api, package):
    other = await api.send(package("def run(context, input, *args): return ['started']"))
    start = f"await this.hub.getSequenceClient(id).start({body})"
    output, _ = await js(f"module.exports = async function (input, id) {{ return ({start}).id }}", args=[other])
    assert await api.read(f"/instance/{output.decode()}/output") == b"started"


@pytest.mark.parametrize("parameters", ["", "timeout", "timeout, canKeepAlive", "a, b, c, d", "...all"])
async def test_stop_handlers_with_any_number_of_parameters(parameters, launch_js, api):
    instance = await launch_js(f"""
        module.exports = function (input) {{
            this.addStopHandler(({parameters}) => console.log("stopped"));
            return input;
        }}""")
    await api.post(f"{instance}/_stop", {"timeout": 1000, "canCallKeepalive": False})
    assert (await api.ended(instance))["terminated"]["exitcode"] == 138
    assert await api.read(f"{instance}/stdout") == b"stopped\n"


BUSY = "const until = Date.now() + 60_000; while (Date.now() < until);"


async def test_a_busy_sequence_is_healthy(launch_js, api):
    instance = await launch_js(f"module.exports = function () {{ {BUSY} }}")
    health = await api.until(f"{instance}/health", lambda health: health.get("answeredAgo", 0) > 1500)
    assert health["healthy"] is True


async def test_of_a_busy_sequence_the_latest_answer_and_its_age_are_told(launch_js, api):
    instance = await launch_js(f"""
        module.exports = function (input) {{
            this.addMonitoringHandler(() => ({{ healthy: false, why: "ill" }}));
            this.on("go", () => {{ {BUSY} }});
            return input;
        }}""")
    assert (await api.get(f"{instance}/health")).json["answeredAgo"] < 60_000
    await api.post(f"{instance}/_event", [5001, {"eventName": "go", "message": None}])
    health = await api.until(f"{instance}/health", lambda health: health["answeredAgo"] > 1500)
    assert (health["healthy"], health["why"]) == (False, "ill")


UNANSWERED = {
    "busy at once": f"this.addMonitoringHandler(() => true); {BUSY}",
    "never answers": "this.addMonitoringHandler(() => new Promise(() => {}));",
}


@pytest.mark.parametrize("kind", UNANSWERED)
async def test_a_handler_that_has_not_answered_is_waited_for_five_seconds(kind, launch_js, api):
    instance = await launch_js(f"module.exports = function (input) {{ {UNANSWERED[kind]} return input; }}")
    health = (await api.get(f"{instance}/health")).json
    assert (health["healthy"], health["error"]) == (False, "The health check has not answered for 5 s")


@pytest.mark.parametrize("function", ["async function*", "function*"])
async def test_handlers_that_a_generator_adds_are_asked_first(function, launch_js, api):
    instance = await launch_js(f"""
        module.exports = {function} (input) {{
            this.addMonitoringHandler(() => false);
            for (;;) yield "item";
        }}""")
    assert (await api.get(f"{instance}/health")).json["healthy"] is False


@pytest.mark.parametrize("answer", ["false", "true", "({ healthy: false })"])
async def test_the_first_health_is_the_handlers_own(answer, launch_js, api):
    """However late they are: the module takes its time, the handler is asynchronous."""
    instance = await launch_js(f"""
        await new Promise((go) => setTimeout(go, 300));
        export default function (input) {{
            this.addMonitoringHandler(async () => {{
                await new Promise((go) => setTimeout(go, 300));
                return {answer};
            }});
            return input;
        }}""", main="main.mjs")  # fmt: skip
    assert (await api.get(f"{instance}/health")).json["healthy"] is (answer == "true")
