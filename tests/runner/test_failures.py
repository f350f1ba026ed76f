"""Sequences that fail or end themselves, and how that is told."""

import pytest

FAILS = {
    "run": ("def run(context, input): raise ValueError('oops')", b""),
    "coroutine": ("async def run(context, input): raise ValueError('oops')", b""),
    "async generator": (
        "async def run(context, input):\n    yield 'a'\n    yield 'b'\n    raise ValueError('oops')",
        b"ab",
    ),
    "generator": ("def run(context, input):\n    yield 'a'\n    raise ValueError('oops')", b"a"),
    "large output": (
        "async def run(context, input):\n    yield 'a' * 5_000_000\n    raise ValueError('oops')",
        b"a" * 5_000_000,
    ),
    "map": (
        "def run(context, input): return Stream.from_iterable('abc').map(check)",
        b"ab",
    ),
    "async map": (
        """
        async def later(item):
            await asyncio.sleep(0)
            return check(item)
        def run(context, input): return Stream.from_iterable('abc').map(later)
        """,
        b"ab",
    ),
    "filter": ("def run(context, input): return Stream.from_iterable('abc').filter(check)", b"ab"),
    "flatmap": ("def run(context, input): return Stream.from_iterable('abc').flatmap(check)", b"ab"),
    "batch": (
        "def run(context, input): return Stream.from_iterable('abc').batch(check).map(lambda batch: batch[0])",
        b"ab",
    ),
    "source": (
        """
        def source():
            yield from "ab"
            raise ValueError("oops")
        def run(context, input): return Stream.from_iterable(source()).map(str)
        """,
        b"ab",
    ),
    "operator before the result": (
        "async def run(context, input):\n    await Stream.from_iterable('abc').map(check).to_list()",
        b"",
    ),
    "operator of a stream on the side": (
        """
        async def run(context, input):
            side = asyncio.ensure_future(Stream.from_iterable('abc').map(check).to_list())
            async for line in input: pass
        """,
        b"",
    ),
    "exit of a context manager": (
        """
        class Bad:
            async def __aenter__(self): return self
            async def __aexit__(self, *_): raise ValueError("oops")
        async def run(context, input):
            async with Bad(): yield "a"
        """,
        b"a",
    ),
}
CHECK = """
import asyncio
from scramjet.streams import Stream
def check(item):
    if item == "c": raise ValueError("oops")
    return item
"""


@pytest.mark.parametrize("kind", FAILS)
async def test_a_failure_is_named_and_what_came_before_is_delivered(kind, launch, api, log):
    import textwrap

    source, expected = FAILS[kind]
    instance = await launch(CHECK + textwrap.dedent(source))
    assert await api.read(f"{instance}/output") == expected
    info = await api.ended(instance)
    assert info["status"] == "errored"
    assert info["terminated"] == {"exitcode": 23, "reason": "Sequence failed during execution"}
    assert info["error"] == "ValueError: oops"
    stderr = (await api.read(f"{instance}/stderr")).decode()
    assert stderr.startswith("Traceback (most recent call last)")
    assert stderr.endswith("ValueError: oops\n")
    assert [(entry["level"], entry["msg"]) for entry in await log(instance)] == [
        ("ERROR", "The Sequence failed: ValueError: oops")
    ]


async def test_a_failure_that_the_sequence_handles_is_none(result):
    source = f"""{CHECK}
async def run(context, input):
    try: await Stream.from_iterable("abc").reduce(lambda a, b: check(b))
    except ValueError as error: yield f"handled {{error}}, "
    task = asyncio.create_task(Stream.from_iterable("abc").reduce(lambda a, b: check(b)))
    try: await task
    except ValueError as error: yield f"handled {{error}}"
"""
    output, info = await result(source)
    assert output == b"handled oops, handled oops"
    assert info["status"] == "completed"


ODD = {
    "BaseException": ("class Odd(BaseException): pass\ndef run(context, input): raise Odd('oops')", "Odd: oops"),
    "KeyboardInterrupt": ("def run(context, input): raise KeyboardInterrupt", "KeyboardInterrupt"),
    "SIGINT": (
        "import os, signal, time\ndef run(context, input):\n    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(9)",
        "KeyboardInterrupt",
    ),
    "CancelledError": (
        "import asyncio\nasync def run(context, input): raise asyncio.CancelledError",
        "RuntimeError: run() was cancelled by the Sequence itself",
    ),
    "StopIteration": ("def run(context, input): raise StopIteration", "RuntimeError: coroutine raised StopIteration"),
    "without text": ("def run(context, input): raise ValueError", "ValueError"),
    "arguments": (
        "def run(context): pass",
        "TypeError: run() takes 1 positional argument but 2 were given (it is called as run(context, input, *args), "
        "with the args of the start)",
    ),
}


async def test_odd_failures(result):
    infos = {kind: (await result(source))[1] for kind, (source, _) in ODD.items()}
    assert {kind: info["error"] for kind, info in infos.items()} == {kind: error for kind, (_, error) in ODD.items()}
    assert {(info["status"], info["terminated"]["exitcode"]) for info in infos.values()} == {("errored", 23)}


FAILED = "Sequence failed during execution"
EXITS = {
    "sys.exit()": ("completed", 0, "Instance completed", None),
    "sys.exit(0)": ("completed", 0, "Instance completed", None),
    "sys.exit(3)": ("errored", 3, FAILED, "sys.exit(3)"),
    "sys.exit(-1)": ("errored", 255, FAILED, "sys.exit(-1)"),
    "sys.exit(137)": ("errored", 137, FAILED, "sys.exit(137)"),
    "sys.exit(138)": ("errored", 138, FAILED, "sys.exit(138)"),
    "sys.exit('no more')": ("errored", 23, FAILED, "no more"),
    "os._exit(0)": ("completed", 0, "Instance completed", None),
    "os._exit(7)": ("errored", 7, "Runner failed", "Runner failed: it ended without a word"),
    "os._exit(138)": ("errored", 138, "Runner failed", "Runner failed: it ended without a word"),
    "os.kill(os.getpid(), signal.SIGKILL)": ("errored", 137, "Runner killed by SIGKILL", "Runner killed by SIGKILL"),
    "os.kill(os.getpid(), signal.SIGSEGV)": ("errored", 139, "Runner killed by SIGSEGV", "Runner killed by SIGSEGV"),
    "os.kill(os.getpid(), signal.SIGTERM)": ("errored", 143, "Runner killed by SIGTERM", "Runner killed by SIGTERM"),
    "os.kill(os.getpid(), 40)": ("errored", 168, "Runner killed by signal 40", "Runner killed by signal 40"),
    "os.abort()": ("errored", 134, "Runner killed by SIGABRT", "Runner killed by SIGABRT"),
}


async def test_ways_to_end_oneself(result):
    ends = {}
    for call in EXITS:
        _, info = await result(f"import os, signal, sys\nasync def run(context, input):\n    {call}")
        terminated = info["terminated"]
        ends[call] = (info["status"], terminated["exitcode"], terminated["reason"], info.get("error"))
    assert ends == EXITS


PLACES = {
    "file": "sys.exit(3)\ndef run(context, input): pass",
    "generator": "def run(context, input):\n    yield 'a'\n    sys.exit(3)",
    "async generator": "async def run(context, input):\n    yield 'a'\n    sys.exit(3)",
    "stream": "def run(context, input):\n    return Stream.from_iterable([1]).map(lambda item: sys.exit(3))",
    "callback": (
        "async def run(context, input):\n"
        "    asyncio.get_running_loop().call_soon(sys.exit, 3)\n"
        "    await asyncio.sleep(1000)"
    ),
    "task": (
        "async def end(): sys.exit(3)\n"
        "async def run(context, input):\n    asyncio.create_task(end())\n    await asyncio.sleep(1000)"
    ),
}


@pytest.mark.parametrize("place", PLACES)
async def test_sys_exit_from_anywhere(place, launch, api):
    source = "import asyncio, atexit, sys\nfrom scramjet.streams import Stream\natexit.register(print, 'atexit')\n"
    instance = await launch(source + PLACES[place])
    info = await api.ended(instance)
    assert (info["status"], info["terminated"]["exitcode"], info["error"]) == ("errored", 3, "sys.exit(3)")
    assert await api.read(f"{instance}/output") == (b"a" if "generator" in place else b"")
    assert await api.read(f"{instance}/stdout") == b"atexit\n"
    assert await api.read(f"{instance}/stderr") == b""


async def test_a_fork_that_comes_to_the_runners_end_is_not_the_instance(launch, api):
    instance = await launch("""
        import os, sys
        def run(context, input):
            forked = os.fork()
            if forked == 0:
                print("child")
                sys.exit(3)
            code = os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1])
            return f"parent {code}"
    """)
    assert await api.read(f"{instance}/output") == b"parent 3"
    assert (await api.ended(instance))["terminated"]["exitcode"] == 0
    assert await api.read(f"{instance}/stdout") == b"child\n"


async def test_multiprocessing(launch, api):
    instance = await launch("""
        import multiprocessing
        def square(number): return number * number
        def run(context, input):
            results = []
            for method in ("fork", "spawn"):
                with multiprocessing.get_context(method).Pool(2) as pool:
                    results.append(sum(pool.map(square, range(10))))
            return str(results)
    """)
    assert await api.read(f"{instance}/output") == b"[285, 285]", await api.read(f"{instance}/stderr")
    assert (await api.ended(instance))["status"] == "completed"


REMEDIES = {
    "asyncio.run": (
        "import asyncio\ndef run(context, input): asyncio.run(asyncio.sleep(0))",
        "make it `async def run` and await instead",
    ),
    "run_until_complete": (
        "import asyncio\ndef run(context, input): asyncio.new_event_loop().run_until_complete(asyncio.sleep(0))",
        "make it `async def run` and await instead",
    ),
    "parameters": ("def run(input): return input", "it is called as run(context, input, *args)"),
    "too few arguments": ("def run(context, input, name): return input", "with the args of the start"),
    "requirement": ("def run(context, input): import no_such_module", "is it missing in requirements.txt"),
    "requirement at start": ("import no_such_module", "is it missing in requirements.txt"),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", REMEDIES)
async def test_errors_that_people_make_come_with_the_remedy(kind, result, log):
    source, words = REMEDIES[kind]
    _, info = await result(source)
    assert words in info["error"], info["error"]
    assert words in (await log(f"/instance/{info['id']}"))[-1]["msg"]
