"""What a Python Sequence can be and do, run for real through a Hub."""

import pytest

RESULTS = {
    "async generator": ("async def run(context, input):\n    yield 'a'\n    yield 'b'", b"ab"),
    "generator": ("def run(context, input):\n    yield 'a'\n    yield 'b'", b"ab"),
    "list": ("def run(context, input): return ['a', 'b']", b"ab"),
    "text": ("def run(context, input): return 'text'", b"text"),
    "bytes": (r"def run(context, input): return b'\x00\xff'", b"\x00\xff"),
    "number": ("def run(context, input): return 42", b"42\n"),
    "dict": ("def run(context, input): return {'a': 1}", b'{"a": 1}\n'),
    "nothing": ("def run(context, input): pass", b""),
    "coroutine": ("async def run(context, input): return 'later'", b"later"),
    "coroutine of a list": ("async def run(context, input): return ['a', 'b']", b"ab"),
    "stream": (
        "from scramjet.streams import Stream\n"
        "def run(context, input): return Stream.from_iterable(['a', 'b']).map(str.upper)",
        b"AB",
    ),
    "coroutine of a stream": (
        "from scramjet.streams import Stream\nasync def run(context, input): return Stream.from_iterable(['a', 'b'])",
        b"ab",
    ),
}


@pytest.mark.parametrize("kind", RESULTS)
async def test_run_may_return(kind, api, package):
    source, output = RESULTS[kind]
    instance = await api.start(await api.send(package(source)))
    assert await api.read(f"{instance}/output") == output
    info = await api.ended(instance)
    assert (info["status"], info["terminated"]) == ("completed", {"exitcode": 0, "reason": "Instance completed"})
