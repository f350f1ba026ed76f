"""Standard streams of a Sequence."""

import asyncio
import io

import pytest

from transform_hub.hub.channels.memory import UNREAD_LIMIT
from until import until

OUTPUTS = {
    "print": "print('ä')",
    "print to stderr": "print('ä', file=sys.stderr)",
    "sys.stdout.write": "sys.stdout.write('ä\\n')",
    "sys.stdout.buffer": "sys.stdout.buffer.write('ä\\n'.encode())",
    "sys.__stdout__": "sys.__stdout__.write('ä\\n')",
    "os.write": "os.write(1, 'ä\\n'.encode())",
    "os.write to stderr": "os.write(2, 'ä\\n'.encode())",
    "child": "subprocess.run(['echo', 'ä'])",
    "child to stderr": "subprocess.run('echo ä >&2', shell=True)",
    "async child": "await (await asyncio.create_subprocess_exec('echo', 'ä')).wait()",
    "os.system": "os.system('echo ä')",
    "thread": "threading.Thread(target=print, args=('ä',)).start()",
    "C library": "ctypes.CDLL(None).puts('ä'.encode()); ctypes.CDLL(None).fflush(None)",
    "end without newline": "print('ä\\n', end='')",
    "at exit": "atexit.register(print, 'ä')",
    "replaced": "sys.stdout = open(1, 'w', encoding='utf-8', closefd=False); print('ä')",
    "dup": "os.write(os.dup(1), 'ä\\n'.encode())",
}


async def test_all_ways_to_write_arrive(launch, api):
    async def written(kind):
        modules = "asyncio, atexit, ctypes, os, subprocess, sys, threading"
        instance = await launch(f"import {modules}\nasync def run(context, input):\n    {OUTPUTS[kind]}")
        streams = [(await api.read(f"{instance}/{name}")).decode() for name in ("stdout", "stderr")]
        return *streams, (await api.ended(instance))["status"]

    results = {kind: await written(kind) for kind in OUTPUTS}
    assert results == {
        kind: ("", "ä\n", "completed") if "stderr" in kind else ("ä\n", "", "completed") for kind in OUTPUTS
    }


INPUTS = {
    "input()": "print(repr(input_()), repr(input_()))",
    "readline": "print(repr(sys.stdin.readline()), repr(sys.stdin.readline()))",
    "read": "print(repr(sys.stdin.read()))",
    "for": "for line in sys.stdin: print(repr(line))",
    "async for": "async for line in sys.stdin: print(repr(line))",
    "map": "await sys.stdin.map(repr).each(print).to_list()",
    "filter": "print(await sys.stdin.filter(lambda line: line.startswith('ä')).to_list())",
    "buffer": "print(sys.stdin.buffer.read())",
    "os.read": "print(os.read(0, 1000))",
    "child": "subprocess.run(['cat'])",
    "mixed": "print(sys.stdin.readline()); print([line async for line in sys.stdin])",
    "event loop": """reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    print(await reader.read())""",
}
RAW = "äa\nb".encode()
READ = {
    "input()": "'äa' 'b'\n",
    "readline": "'äa\\n' 'b'\n",
    "read": "'äa\\nb'\n",
    "for": "'äa\\n'\n'b'\n",
    "async for": "'äa\\n'\n'b'\n",
    "map": "'äa\\n'\n'b'\n",
    "filter": "['äa\\n']\n",
    "child": "äa\nb",
    "mixed": "äa\n\n['b']\n",
    "buffer": f"{RAW}\n",
    "os.read": f"{RAW}\n",
    "event loop": f"{RAW}\n",
}


async def test_all_ways_to_read(launch, api):
    async def read(code):
        source = f"import asyncio, os, subprocess, sys\ninput_ = input\nasync def run(context, input):\n    {code}\n"
        instance = await launch(source)
        assert (await api.post(f"{instance}/stdin", RAW)).status == 200
        return (await api.read(f"{instance}/stdout")).decode(), (await api.ended(instance))["status"]

    results = {kind: await read(code) for kind, code in INPUTS.items()}
    assert results == {kind: (READ[kind], "completed") for kind in INPUTS}


async def test_input_fails_at_the_end_as_in_any_program(launch, api):
    instance = await launch("def run(context, stream): input()")
    await api.post(f"{instance}/stdin", b"")
    assert (await api.ended(instance))["error"] == "EOFError: EOF when reading a line"


async def test_events_are_handled_while_stdin_is_awaited(launch, api):
    instance = await launch("""
        import sys
        async def run(context, input):
            context.on("event", print)
            context.on("event", lambda message: context.emit("handled"))
            async for line in sys.stdin: print(line)
    """)
    await api.post(f"{instance}/_event", [5001, {"eventName": "event", "message": "before"}])
    await api.get(f"{instance}/event/handled")
    await api.post(f"{instance}/stdin", b"line")
    assert await api.read(f"{instance}/stdout") == b"before\nline\n"


async def test_reading_stdin_does_not_hold_up_a_stop(launch, api):
    instance = await launch("""
        import sys
        async def run(context, input):
            context.emit("reading")
            async for line in sys.stdin: pass
    """)
    await api.get(f"{instance}/event/reading")
    await api.post(f"{instance}/_stop", {"timeout": 7000})
    assert (await api.ended(instance))["terminated"]["exitcode"] == 138


async def test_bytes_that_are_not_utf8_pass_unharmed(launch, api):
    data = bytes(range(256)).replace(b"\r", b"") * 2
    instance = await launch("""
        import sys
        async def run(context, input):
            async for line in sys.stdin: print(line, end="")
    """)
    await api.post(f"{instance}/stdin", data)
    assert await api.read(f"{instance}/stdout") == data


async def test_lone_surrogates_do_not_break_print(launch, api):
    instance = await launch(r"""
        import sys
        def run(context, input):
            for file in (sys.stdout, sys.stderr): print("a\ud800\udcffb", file=file)
    """)
    assert await api.read(f"{instance}/stdout") == b"a\\ud800\xffb\n"
    assert await api.read(f"{instance}/stderr") == b"a\\ud800\\udcffb\n"
    assert (await api.ended(instance))["status"] == "completed"


@pytest.mark.parametrize("ending", ["return", "raise ValueError", "sys.exit(1)"])
async def test_what_is_printed_right_before_the_end_is_not_lost(ending, launch, api):
    instance = await launch(f"""
        import sys
        def run(context, input):
            sys.stdout.reconfigure(line_buffering=False)
            sys.stdout.buffer.write(b"x" * 5_000_000)
            print("end", end="")
            {ending}
    """)
    assert await api.read(f"{instance}/stdout") == b"x" * 5_000_000 + b"end"


async def test_files_left_open_are_written_out(launch, api, tmp_path):
    instance = await launch(f"""
        text = open({str(tmp_path / "text")!r}, "w")
        data = open({str(tmp_path / "data")!r}, "wb")
        def run(context, input):
            text.write("ä")
            data.write(b"b")
    """)
    await api.ended(instance)
    assert (tmp_path / "text").read_text(encoding="utf-8") == "ä"
    assert (tmp_path / "data").read_bytes() == b"b"


async def test_print_that_a_reader_stops_waits_and_all_of_it_can_be_read_later(launch, api, process):
    instance = await launch("""
        async def run(context, input):
            await input.read()
            for number in range(200): print("%0100000d" % number)
    """)
    runner = await process(instance)
    before = runner.memory_info().rss
    stdout = api.instance(instance).streams["stdout"]
    with stdout.reader() as stopped:
        await api.input(instance, b"go")
        await until(lambda: stdout.is_held)
        await api.post(f"{instance}/_monitoring_rate", [4001, {"monitoringRate": 1000}])
        assert (await api.get(f"{instance}/health")).json["healthy"] is True
        assert runner.memory_info().rss - before < 8_000_000
        assert (await api.get(instance)).json["status"] == "running"
        lines = b"".join([data async for data in stopped]).split()
    assert [int(line[-4:]) for line in lines] == list(range(200))
    assert {len(line) for line in lines} == {100000}
    assert (await api.ended(instance))["status"] == "completed"


async def test_an_instance_that_prints_for_ever_can_be_killed(launch, api):
    instance = await launch("def run(context, input):\n    while True: print('x' * 100000)")
    await until(lambda: api.instance(instance).streams["stdout"].written > 2 * UNREAD_LIMIT)
    await api.post(f"{instance}/_kill", {})
    assert (await api.ended(instance))["terminated"]["exitcode"] == 137
    assert set(await api.read(f"{instance}/stdout")) == set(b"x\n")  # what was printed before is still there


async def test_stdin_that_is_not_read_is_held_back(launch, api, process):
    instance = await launch("""
        import sys
        async def run(context, input):
            async for _ in input: pass
            return str(len(sys.stdin.buffer.read()))
    """)
    runner = await process(instance)
    before = runner.memory_info().rss
    sending = asyncio.ensure_future(api.post(f"{instance}/stdin", io.BytesIO(b"x" * 20_000_000)))
    done, _ = await asyncio.wait({sending}, timeout=0.3)
    assert not done
    assert runner.memory_info().rss - before < 8_000_000
    await api.input(instance, b"")
    assert await api.read(f"{instance}/output") == b"20000000"
    assert (await sending).status == 200
