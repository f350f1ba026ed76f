"""What ``run`` is given as its input, by content type."""

import asyncio
import io

import pytest

IDENTITY = "def run(context, input): return input"
REPR = "def run(context, input): return input.map(lambda item: repr(item) + ';')"

TEXT = {
    "lines": (b"a\nb\n", "'a\\n';'b\\n';"),
    "unfinished line": (b"a\nb", "'a\\n';'b';"),
    "empty lines": (b"\n\na\n", "'\\n';'\\n';'a\\n';"),
    "CRLF": (b"a\r\nb\r\n", "'a\\r\\n';'b\\r\\n';"),
    "other line ends": ("a\x0b\x0c\x85\u2028\rb\n".encode(), "'a\\x0b\\x0c\\x85\\u2028\\rb\\n';"),
    "not ASCII": ("äöü €\n😀".encode(), "'äöü €\\n';'😀';"),
    "nothing": (b"", ""),
}


@pytest.mark.parametrize("kind", TEXT)
async def test_text_comes_in_lines(kind, result):
    data, items = TEXT[kind]
    output, info = await result(REPR, data)
    assert output.decode() == items
    assert info["status"] == "completed"


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "Text/Plain", "text/csv"])
async def test_all_text_types_are_text(content_type, result):
    output, _ = await result(REPR, b"a,b\n", content_type)
    assert output == b"'a,b\\n';"


async def test_text_that_is_not_utf8_comes_out_unharmed(result):
    data = bytes(range(256)) * 3 + "ä".encode()[:1] + b"\n" + "\ud800".encode("utf-8", "surrogatepass")
    output, info = await result(IDENTITY, data)
    assert output == data
    assert info["status"] == "completed"


async def test_characters_split_across_writes_are_put_together(launch, api):
    instance = await launch("def run(context, input): return input.map(lambda line: line.upper())")
    data = "äöü😀\nß€\n".encode()

    async def bytewise():
        for index in range(len(data)):
            yield data[index : index + 1]
            await asyncio.sleep(0)

    sending = asyncio.ensure_future(api.input(instance, bytewise()))
    assert (await api.read(f"{instance}/output")).decode() == "ÄÖÜ😀\nSS€\n"
    assert (await sending).status == 200


async def test_a_line_of_10_mb_is_one_item(launch, api):
    instance = await launch("def run(context, input): return input.map(lambda line: f'{len(line)};')")
    line = ("ä" * 5_000_000 + "\n").encode()
    assert (await api.input(instance, io.BytesIO(line + b"end"))).status == 200
    assert await api.read(f"{instance}/output") == b"5000001;3;"


JSON_TYPES = ["application/x-ndjson", "text/x-ndjson", "application/ndjson", "application/json", "Application/JSON"]


@pytest.mark.parametrize("content_type", JSON_TYPES)
async def test_json_comes_in_values(content_type, result):
    data = '{"a": [1, null]}\n"ä"\n\n  0  \r\nfalse\n1.5'.encode()
    source = """
        async def run(context, input):
            async for value in input: yield repr(value) + ";"
    """
    output, info = await result(source, data, content_type)
    assert output.decode() == "{'a': [1, None]};'ä';0;False;1.5;"
    assert info["status"] == "completed"


NULLS = {
    "async for": "async def run(context, input):\n    async for value in input: yield repr(value) + ';'",
    "map": "def run(context, input): return input.map(repr).map(lambda text: text + ';')",
    "each": "def run(context, input): return input.each(len and str).map(lambda value: f'{value};')",
    "flatmap": "def run(context, input): return input.flatmap(lambda value: [f'{value};'])",
    "batch": "def run(context, input): return input.batch(lambda _: True).map(lambda batch: f'{batch[0]};')",
    "to_list": "async def run(context, input): return [f'{value};' for value in await input.to_list()]",
    "reduce": "async def run(context, input): return await input.reduce(lambda text, value: text + f'{value};', '')",
    "pipe": """
        from scramjet.streams import Stream
        def run(context, input): return input.pipe(Stream()).map(lambda value: f'{value};')
    """,
}


@pytest.mark.parametrize("kind", NULLS)
async def test_null_is_a_value_as_any_other(kind, result):
    output, info = await result(NULLS[kind], b"1\nnull\n2\n", "application/x-ndjson")
    assert output == b"1;None;2;"
    assert info["status"] == "completed"


async def test_a_line_that_is_not_json_ends_the_instance_and_is_named(launch, api):
    instance = await launch("def run(context, input): return input.map(lambda value: f'{value};')")
    await api.input(instance, b"1\n2\noops\n4\n", "application/x-ndjson")
    assert await api.read(f"{instance}/output") == b"1;2;"
    info = await api.ended(instance)
    assert (info["status"], info["terminated"]["exitcode"]) == ("errored", 23)
    assert info["error"].startswith("ValueError: line 3 of the input is not JSON: Expecting value")
    assert b"line 3 of the input" in await api.read(f"{instance}/stderr")


async def test_a_bad_line_ends_an_instance_that_goes_on_after_its_input(launch, api):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            async for value in input: pass
            await asyncio.sleep(1000)
    """)
    await api.input(instance, b"oops", "application/x-ndjson")
    assert (await api.ended(instance))["terminated"]["exitcode"] == 23


async def test_anything_else_comes_in_bytes(result):
    data = bytes(range(256)) * 8192
    source = """
        async def run(context, input):
            async for chunk in input:
                assert type(chunk) is bytes and 0 < len(chunk) <= 256 * 1024
                yield chunk
    """
    for content_type in ("application/octet-stream", "image/png"):
        output, info = await result(source, io.BytesIO(data), content_type)
        assert output == data
        assert info["status"] == "completed"


async def test_the_first_writer_says_what_it_is(launch, api):
    instance = await launch(REPR)
    assert (await api.input(instance, b"1\n", "application/x-ndjson", x_end_stream="false")).status == 202
    assert (await api.input(instance, b"[2]\n", "text/plain")).status == 200
    assert await api.read(f"{instance}/output") == b"1;[2];"


async def test_input_that_came_before_the_sequence_is_loaded_waits_for_it(loading, api):
    instance, finish = await loading(IDENTITY)
    assert (await api.input(instance, b"early")).status == 200
    await finish()
    assert await api.read(f"{instance}/output") == b"early"


async def test_a_sequence_may_end_before_its_input(result):
    source = """
        async def run(context, input):
            async for line in input:
                yield line
                return
    """
    output, info = await result(source, b"first\nsecond\n")
    assert output == b"first\n"
    assert info["status"] == "completed"


async def test_a_sequence_may_end_its_input_itself(launch, api):
    instance = await launch("""
        def run(context, input):
            input.end()
            return input
    """)
    await api.ended(instance)
    assert (await api.get(instance)).json["status"] == "completed"


async def test_a_sequence_that_ended_its_input_goes_on(launch, api):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            go = asyncio.Event()
            context.on("go", lambda message: go.set())
            input.end()
            await go.wait()
            yield "fine"
    """)
    sending = asyncio.ensure_future(api.input(instance, b"not wanted\n"))
    await api.post(f"{instance}/_event", [5001, {"eventName": "go"}])
    assert await api.read(f"{instance}/output") == b"fine"
    assert (await api.ended(instance))["status"] == "completed"
    await asyncio.wait({sending})


async def test_what_follows_a_line_that_was_read_can_be_mapped(result):
    source = """
        import asyncio
        async def run(context, input):
            header = await input.read()
            await asyncio.sleep(0.05)
            return input.map(lambda line: header.strip() + line)
    """
    output, _ = await result(source, b"> \n" + b"line\n" * 1000)
    assert output == b">line\n" * 1000


async def test_a_read_that_is_given_up_loses_no_line(launch, api):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            try: await asyncio.wait_for(input.read(), 0.01)
            except asyncio.TimeoutError: yield "nothing yet;"
            async for line in input: yield line
    """)
    async with api.session.get(f"{api.url}{instance}/output") as response:
        assert await response.content.readexactly(12) == b"nothing yet;"
        await api.input(instance, b"a\nb\n")
        assert await response.content.read() == b"a\nb\n"


@pytest.mark.parametrize("operators", ["", ".map(str)", ".filter(lambda value: True).each(len)", ".map(later)"])
async def test_all_values_before_a_bad_line_come_out(operators, launch, api):
    instance = await launch(f"""
        async def later(value): return value
        def run(context, input): return input{operators}
    """)
    lines = [f'"{number}\\n"\n' for number in range(30_000)]
    await api.input(instance, io.BytesIO("".join([*lines, "{\n", *lines]).encode()), "application/x-ndjson")
    assert (await api.read(f"{instance}/output")).decode().split() == [str(number) for number in range(30_000)]
    assert (await api.ended(instance))["error"].startswith("ValueError: line 30001 of the input is not JSON")


async def test_all_lines_before_a_failure_come_out(launch, api):
    instance = await launch("def run(context, input): return input.map(lambda line: 1 / (5000 - int(line)) and line)")
    await api.input(instance, io.BytesIO("".join(f"{number}\n" for number in range(10_000)).encode()))
    assert (await api.read(f"{instance}/output")).decode().split() == [str(number) for number in range(5000)]
    assert (await api.ended(instance))["error"].startswith("ZeroDivisionError")


async def test_a_sequence_that_is_fed_lines_without_end_can_be_stopped(launch, api):
    instance = await launch("""
        async def run(context, input):
            try:
                async for line in input:
                    if line == "first\\n": context.emit("line", line)
            finally:
                print("cleaned up")
    """)

    async def endless():
        yield b"first\n"
        while True:
            yield b"more\n" * 10_000

    sending = asyncio.ensure_future(api.input(instance, endless()))
    assert (await api.get(f"{instance}/event/line")).json == "first\n"
    await api.post(f"{instance}/_stop", {"timeout": 7000, "canCallKeepalive": False})
    assert (await api.ended(instance))["terminated"]["exitcode"] == 138
    assert await api.read(f"{instance}/stdout") == b"cleaned up\n"
    sending.cancel()
    await asyncio.wait({sending})
