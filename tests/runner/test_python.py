"""What a Python Sequence can be and do, run for real through a Hub."""

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


async def test_run_may_return(result):
    ends = {kind: await result(source) for kind, (source, _) in RESULTS.items()}
    assert {kind: output for kind, (output, _) in ends.items()} == {
        kind: output for kind, (_, output) in RESULTS.items()
    }
    for _, info in ends.values():
        assert (info["status"], info["terminated"]) == ("completed", {"exitcode": 0, "reason": "Instance completed"})
