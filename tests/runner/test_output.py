"""What becomes of the items that a Sequence gives, by content type."""

import pytest

ITEMS = r"""
from scramjet.streams import Stream
ITEMS = ["ä", b"\xff\x00", bytearray(b"y"), memoryview(b"z"), {"a": ["ö"]}, [1], 2, 1.5, True, ""]
"""
RAW = "ä".encode() + b"\xff\x00" + b"yz" + '{"a": ["ö"]}\n[1]\n2\n1.5\ntrue\n'.encode()


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", None])
async def test_text_and_bytes_go_out_as_they_are_and_other_values_as_json(content_type, result):
    source = f"""{ITEMS}
def run(context, input):
    stream = Stream.from_iterable(ITEMS)
    stream.content_type = {content_type!r}
    return stream
"""
    output, info = await result(source)
    assert output == RAW
    assert info["status"] == "completed"


@pytest.mark.parametrize("attribute", ["content_type", "contentType"])
async def test_json_by_attribute_of_the_result(attribute, result):
    source = f"""
        from scramjet.streams import Stream
        def run(context, input):
            stream = Stream.from_iterable(["ä\\n", {{"a": None}}, 0, [], "\\ud800\\udcff"])
            stream.{attribute} = "application/x-ndjson"
            return stream
    """
    output, _ = await result(source)
    assert output.decode() == '"ä\\n"\n{"a": null}\n0\n[]\n"\\ud800\\udcff"\n'


@pytest.mark.parametrize("key", ["contentType", "content_type"])
async def test_json_by_the_module(key, launch, api):
    instance = await launch(f"""
        provides = {{"provides": "names", "{key}": "application/x-ndjson"}}
        async def run(context, input):
            yield "a"
            yield ["b"]
    """)
    assert (await api.ended(instance))["provides"] == "names"
    async with api.session.get(f"{api.url}/topic/names") as response:
        assert await response.content.readexactly(10) == b'"a"\n["b"]\n'


async def test_the_result_says_more_than_the_module(result):
    source = """
        from scramjet.streams import Stream
        provides = {"contentType": "application/x-ndjson"}
        def run(context, input):
            stream = Stream.from_iterable(["a"])
            if context.config["say"]: stream.content_type = "text/plain"
            return stream
    """
    assert (await result(source, appConfig={"say": False}))[0] == b'"a"\n'
    assert (await result(source, appConfig={"say": True}))[0] == b"a"


async def test_a_dict_is_output_and_declares_nothing(result):
    output, info = await result(
        "def run(context, input): return {'provides': 'x', 'contentType': 'application/x-ndjson'}"
    )
    assert output == b'{"provides": "x", "contentType": "application/x-ndjson"}\n'
    assert "provides" not in info


async def test_what_is_no_json_value_is_an_error_that_names_it(result):
    output, info = await result("def run(context, input): return ['a', object()]")
    assert output == b"a"
    assert info["terminated"]["exitcode"] == 23
    assert info["error"] == (
        "OutputError: item 2 of the output can't be written: $: object is not JSON serializable; "
        "give a dict, a list, a dataclass or str() of it (main.py, line 1, in run)"
    )


async def test_lone_surrogates_do_not_break_text(result):
    output, info = await result(r"def run(context, input): return ['a\udcff\ud800b']")
    assert output == b"a\xff\\ud800b"
    assert info["status"] == "completed"


async def test_many_small_items_and_one_large(result):
    source = """
        async def run(context, input):
            for number in range(20000): yield f"{number}\\n"
            yield b"x" * 20_000_000
            yield "end"
    """
    output, _ = await result(source)
    assert output == "".join(f"{number}\n" for number in range(20000)).encode() + b"x" * 20_000_000 + b"end"


async def test_items_come_as_they_are_made(launch, api):
    instance = await launch("""
        async def run(context, input):
            yield "ready "
            async for line in input: yield line
    """)
    async with api.session.get(f"{api.url}{instance}/output") as response:
        assert await response.content.readexactly(6) == b"ready "
        await api.input(instance, b"ping", x_end_stream="false")
        await api.input(instance, b"\n", x_end_stream="false")
        assert await response.content.readexactly(5) == b"ping\n"


async def test_items_leave_before_a_generator_blocks(launch, api):
    instance = await launch("""
        import sys
        def run(context, input):
            yield "a"
            yield "b"
            yield sys.stdin.readline()
    """)
    async with api.session.get(f"{api.url}{instance}/output") as response:
        assert await response.content.readexactly(2) == b"ab"
        await api.post(f"{instance}/stdin", b"c\n")
        assert await response.content.readexactly(2) == b"c\n"


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_events_arrive_while_a_generator_never_waits(kind, launch, api):
    instance = await launch(f"""
        {kind} run(context, input):
            enough = []
            context.on("enough", enough.append)
            while not enough: yield "x"
            yield "end"
    """)
    async with api.session.get(f"{api.url}{instance}/output") as response:
        assert await response.content.readexactly(1000) == b"x" * 1000
        await api.post(f"{instance}/_event", [5001, {"eventName": "enough", "message": 1}])
        assert (await response.content.read()).endswith(b"xend")


async def test_text_bytes_and_values_keep_their_order(result):
    source = """
        def run(context, input):
            return [item for number in range(5000) for item in (str(number), bytes([255, 10]), [number])]
    """
    output, _ = await result(source)
    assert output == b"".join(b"%d\xff\n[%d]\n" % (number, number) for number in range(5000))
