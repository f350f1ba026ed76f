"""Python Sequences of other people, as they are: what STH 1.0.1 runs runs here, with the same bytes where known.

Where this differs from STH the test says so; ``docs/compatibility.md`` has the reasons.
"""

import asyncio
import json

import pytest

from transform_hub import HostClient
from transform_hub.hub.server import serve

ZYGOTE = pytest.mark.parametrize("zygote", [True, False], ids=["zygote", "spawn"])


@pytest.fixture
def zygote():
    return True


@pytest.fixture
async def hub(tmp_path, zygote):
    async with serve(port=0, data_dir=tmp_path / "hub", retention_ms=60_000, zygote=zygote) as running:
        yield running


@pytest.fixture
def launch(api, package):
    async def start(source="", *, files=None, main="main.py", **request):
        return await api.start(await api.send(package(source, files=files, main=main)), **request)

    return start


@pytest.fixture
def result(api, launch):
    """The output and the info of a Sequence that ends by itself, e.g. given some input."""

    async def run(source, data=None, content_type="text/plain", **options):
        instance = await launch(source, **options)
        if data is not None:
            await api.input(instance, data, content_type)
        output = await api.read(f"{instance}/output")
        return output, await api.ended(instance)

    return run


@pytest.fixture
def log(api):
    """The entries of an ended Instance's log that are the Sequence's own: level and message."""

    async def read(instance):
        entries = [json.loads(line) for line in (await api.read(f"{instance}/log")).splitlines()]
        return [(entry["level"], entry["msg"]) for entry in entries if entry["from"] != "Hub"]

    return read


@pytest.fixture
def logged(api):
    """Waits for an entry in the log of an Instance that goes on."""

    async def wait(instance, text):
        async with api.session.get(f"{api.url}{instance}/log") as response:
            async for line in response.content:
                if text in (message := json.loads(line)["msg"]):
                    return message
        raise AssertionError(f"the log has ended without {text!r}")

    return wait


async def stop(api, instance, timeout=7000):
    answer = await api.post(f"{instance}/_stop", {"timeout": timeout, "canCallKeepalive": False})
    assert answer.status == 202
    return await api.ended(instance)


# --- the end: as an interpreter's ------------------------------------------------------------------------------

WORK = {
    "thread": "threading.Thread(target=work).start()",
    "pool of run": "ThreadPoolExecutor().submit(work)",
    "pool of the module": "pool.submit(work)",
    "to_thread": "asyncio.ensure_future(asyncio.to_thread(work))",
    "processes": "ProcessPoolExecutor(1).submit(work)",
    "process": "multiprocessing.get_context('fork').Process(target=work).start()",
    "thread of a thread": "threading.Thread(target=lambda: threading.Thread(target=work).start()).start()",
    "failed": "threading.Thread(target=work).start(); raise ValueError('after all')",
    "exited": "threading.Thread(target=work).start(); sys.exit(3)",
}


@ZYGOTE
@pytest.mark.parametrize("kind", WORK)
async def test_an_instance_ends_after_its_threads_pools_and_executors(kind, launch, api, tmp_path):
    done = tmp_path / "done"
    instance = await launch(f"""
        import asyncio, atexit, multiprocessing, sys, threading, time
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
        pool = ThreadPoolExecutor()
        def work():
            time.sleep(0.5)
            with open({str(done)!r}, "a") as file: file.write("worked")
        async def run(context, input):
            atexit.register(lambda: print("at exit", flush=True))
            {WORK[kind]}
            return "queued"
    """)
    info = await api.ended(instance)
    assert done.read_text() == "worked"
    assert await api.read(f"{instance}/stdout") == b"at exit\n"
    ends = {"failed": (23, "ValueError: after all"), "exited": (3, "sys.exit(3)")}
    assert (info["terminated"]["exitcode"], info.get("error")) == ends.get(kind, (0, None))


async def test_daemons_are_not_waited_for(result):
    output, info = await result("""
        import threading, time
        def run(context, input):
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
            return "x"
    """)
    assert (output, info["status"]) == (b"x", "completed")


UPLOADING = """
import threading
go = threading.Event()
def run(context, input):
    context.on("go", lambda message: go.set())
    context.set_health_check(lambda: {"uploading": not go.is_set()})
    threading.Thread(target=go.wait, name="upload").start()
    return "queued"
"""


async def test_the_log_names_the_threads_and_events_and_health_go_on(launch, api, logged):
    instance = await launch(UPLOADING)
    assert await api.read(f"{instance}/output") == b"queued"
    assert await logged(instance, "waiting for") == "The Sequence has ended; waiting for upload"
    assert (await api.get(instance)).json["status"] == "running"
    assert (await api.get(f"{instance}/health")).json["uploading"] is True
    await api.post(f"{instance}/_event", [5001, {"eventName": "go"}])
    assert (await api.ended(instance))["terminated"] == {"exitcode": 0, "reason": "Instance completed"}


async def test_an_instance_that_waits_for_threads_can_be_stopped(launch, api, log, logged):
    instance = await launch(UPLOADING)
    await logged(instance, "waiting for upload")
    assert (await stop(api, instance, timeout=400))["terminated"]["exitcode"] == 138
    assert ("WARN", "Stopped before these had ended: upload") in await log(instance)


async def test_a_stop_handler_can_end_the_threads(launch, api, logged):
    instance = await launch(UPLOADING.replace("context.on(", "context.set_stop_handler(go.set); context.on("))
    await logged(instance, "waiting for upload")
    assert (await stop(api, instance, timeout=100_000))["terminated"]["exitcode"] == 138


async def test_an_instance_that_waits_for_threads_can_be_killed(launch, api, logged):
    instance = await launch(UPLOADING)
    await logged(instance, "waiting for upload")
    await api.post(f"{instance}/_kill", {})
    assert (await api.ended(instance))["terminated"]["exitcode"] == 137


async def test_an_instance_that_waits_for_a_process_can_be_stopped(launch, api, logged):
    instance = await launch("""
        import multiprocessing, time
        def run(context, input):
            multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,), name="worker").start()
    """)
    assert await logged(instance, "waiting for") == "The Sequence has ended; waiting for worker"
    assert (await stop(api, instance, timeout=400))["terminated"]["exitcode"] == 138


# --- values -------------------------------------------------------------------------------------------------------

NDJSON = "provides = {'contentType': 'application/x-ndjson'}\n"

NOT_FINITE = {  # as JSON.stringify writes them, and so STH's JavaScript runner
    "float('nan')": (b"null\n", "$"),
    "{'a': [1.5, {'b': float('-inf')}], 'c': float('nan')}": (b'{"a": [1.5, {"b": null}], "c": null}\n', "$.a[1].b"),
    "(float('inf'), 1)": (b"[null, 1]\n", "$[0]"),
    "{1.5: float('inf'), float('nan'): 1}": (b'{"1.5": null, "NaN": 1}\n', "$.1.5"),
}


@pytest.mark.parametrize("value", NOT_FINITE)
async def test_nan_and_infinities_are_null(value, launch, api, log):
    line, path = NOT_FINITE[value]
    instance = await launch(NDJSON + f"def run(context, input):\n    yield 1\n    yield {value}\n    yield {value}")
    assert await api.read(f"{instance}/output") == b"1\n" + line * 2
    assert (await api.ended(instance))["status"] == "completed"
    assert await log(instance) == [
        (
            "WARN",
            f"Item 2 of the output has NaN or an infinity at {path}, which JSON can't say: written as null. "
            "Further ones are not told.",
        )
    ]


async def test_nan_in_events_and_health_is_null(launch, api):
    instance = await launch("""
        def run(context, input):
            context.set_health_check(lambda: {"load": float("nan")})
            context.emit("load", [float("inf")])
            return input
    """)
    assert (await api.get(f"{instance}/event/load")).json == [None]
    assert (await api.get(f"{instance}/health")).json["load"] is None


async def test_a_value_that_holds_itself_is_refused_with_its_reason(result):
    _, info = await result(NDJSON + "def run(context, input):\n    a = []\n    a.append(a)\n    yield a")
    assert (
        info["error"]
        == "OutputError: item 1 of the output can't be written: $[0] is a circular reference (main.py, line 5)"
    )


async def test_null_records_pass_through_a_topic(launch, api):
    reader = await launch("""
        requires = {"requires": "events", "contentType": "application/x-ndjson"}
        async def run(context, input):
            async for item in input: yield f"{item}\\n"
    """)
    await launch("""
        provides = {"provides": "events", "contentType": "application/x-ndjson"}
        def run(context, input): return [{"id": 1}, None, {"id": 3}]
    """)
    async with api.session.get(f"{api.url}{reader}/output") as response:
        assert [await response.content.readline() for _ in range(3)] == [b"{'id': 1}\n", b"None\n", b"{'id': 3}\n"]
    assert (await stop(api, reader))["terminated"]["exitcode"] == 138


async def test_a_map_that_returns_none_is_told(launch, api, log):
    # In STH the Stream ends there, and what follows is lost without a word.
    instance = await launch("""
        def look(line): print(line, end="")
        def run(context, input): return input.map(look)
    """)
    await api.input(instance, b"a\nb\n")
    assert await api.read(f"{instance}/output") == b"null\nnull\n"
    assert await api.read(f"{instance}/stdout") == b"a\nb\n"
    await api.ended(instance)
    told = "map: look returned None, which goes on as null; to leave an item out return DropChunk"
    assert await log(instance) == [("WARN", told)]


DAMAGED = {
    "BOM": b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n',
    "BOM on each line": b'\xef\xbb\xbf{"a": 1}\n\xef\xbb\xbf{"a": 2}\n',
    "CRLF": b'{"a": 1}\r\n{"a": 2}\r\n',
    "BOM alone": b'\xef\xbb\xbf\n{"a": 1}\n{"a": 2}',
}


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json"])
@pytest.mark.parametrize("kind", DAMAGED)
async def test_bom_and_crlf_are_no_part_of_a_record(kind, content_type, result):
    output, info = await result(NDJSON + "def run(context, input): return input", DAMAGED[kind], content_type)
    assert (output, info["status"]) == (b'{"a": 1}\n{"a": 2}\n', "completed")


async def test_surrogates_and_bytes_that_are_not_utf8_harm_neither_sequence_nor_reader(hub, launch, api):
    instance = await launch(NDJSON + "def run(context, input): return input")
    await api.input(instance, b'{"a": "\\ud800"}\n{"b": "x\xff"}\n["ok"]\n', "application/x-ndjson")
    async with HostClient(hub.url) as host:
        output = host.instance(instance.rpartition("/")[2]).get_output()
        assert [value async for value in output.json()] == [{"a": "\ud800"}, {"b": "x\udcff"}, ["ok"]]
    assert (await api.ended(instance))["status"] == "completed"


BROKEN = {
    "syntax": (b'{"a": 1}\n{"a": tru}\n', "line 2 of the input is not JSON: Expecting value at column 7"),
    "breaks off": (b'1\n\n{"a":\n{}\n', "line 3 of the input is not JSON: Expecting value at column 6"),
    "not UTF-8": (b"1\n\xff\n", "line 2 of the input is not JSON: byte 0xff is not UTF-8 at column 1"),
    "UTF-16": ("\ufeff1\n".encode("utf-16-le"), "line 1 of the input is not JSON: it is UTF-16, JSON has to be UTF-8"),
    "nested": (b"1\n" + b"[" * 100_000 + b"]" * 100_000, "line 2 of the input is not JSON: it is nested too deeply"),
    "two on a line": (b"1 2\n", "line 1 of the input is not JSON: Extra data at column 3"),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_record_is_named_with_its_line_and_cause(kind, result):
    data, error = BROKEN[kind]
    _, info = await result("def run(context, input): return input", data, "application/x-ndjson")
    assert info["error"] == f"ValueError: {error}"


VALUES = {"a": [1, {"b": '}{ \\" ['}], "ä": None}
DOCUMENTS = {
    "pretty": (json.dumps(VALUES, indent=2).encode(), [VALUES]),
    "pretty array": (json.dumps([VALUES, VALUES], indent="\t").encode() + b"\n", [[VALUES, VALUES]]),
    "BOM and CRLF": (b"\xef\xbb\xbf" + json.dumps(VALUES, indent=2).replace("\n", "\r\n").encode(), [VALUES]),
    "several": (b'{\n"a": 1\n}\n2\n[\n3]\n', [{"a": 1}, 2, [3]]),
    "lines": (b'{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
    "one line": (b"[1, 2]", [[1, 2]]),
}


@pytest.mark.parametrize("kind", DOCUMENTS)
async def test_json_is_read_as_documents_or_lines_by_its_content(kind, result):
    data, values = DOCUMENTS[kind]
    output, info = await result(NDJSON + "def run(context, input): return input", data, "application/json")
    assert [json.loads(line) for line in output.splitlines()] == values
    assert info["status"] == "completed"


async def test_a_document_comes_when_it_is_whole_and_not_with_the_end_of_input(launch, api):
    instance = await launch("async def run(context, input):\n    async for value in input: yield f'{value}\\n'")
    async with api.session.get(f"{api.url}{instance}/output") as response:
        await api.input(instance, b'{\n "a": 1\n}\n', "application/json", x_end_stream="false")
        assert await response.content.readline() == b"{'a': 1}\n"


BROKEN_DOCUMENTS = {
    "within": (b'{"a": 1}\n{\n  "a": 1,\n  oops\n}\n', "line 4 of the input is not JSON: Expecting property name"),
    "unfinished": (b"[\n1,\n2\n", "line 4 of the input is not JSON: Expecting ',' delimiter"),
    "begin": (b"1\noops\n", "line 2 of the input is not JSON: Expecting value at column 1"),
}


@pytest.mark.parametrize("kind", BROKEN_DOCUMENTS)
async def test_a_broken_document_is_named_with_the_line_of_its_fault(kind, result):
    data, error = BROKEN_DOCUMENTS[kind]
    _, info = await result("def run(context, input): return input", data, "application/json")
    assert info["error"].startswith(f"ValueError: {error}")


# --- stdin --------------------------------------------------------------------------------------------------------


async def test_stdin_can_be_awaited_as_in_sth(launch, api):
    instance = await launch("""
        import sys
        async def run(context, input):
            name = (await sys.stdin.read()).strip()
            yield f"Hello {name}\\n"
    """)
    await api.post(f"{instance}/stdin", b"Zofia")
    assert await api.read(f"{instance}/output") == b"Hello Zofia\n"


async def test_stdin_is_awaited_line_by_line_beside_the_file(launch, api):
    instance = await launch("""
        import json, sys
        async def run(context, input):
            yield json.dumps([await sys.stdin.read(), await sys.stdin.read(), sys.stdin.readline()]) + "\\n"
            yield json.dumps(sys.stdin.read()) + "\\n"
            yield json.dumps(await sys.stdin.read())
    """)
    await api.post(f"{instance}/stdin", b"a\n\nb\nc\nd")
    assert await api.read(f"{instance}/output") == b'["a\\n", "\\n", "b\\n"]\n"c\\nd"\nnull'


async def test_stdin_that_stays_open_does_not_block_the_loop(launch, api):
    instance = await launch("""
        import asyncio, sys
        async def read(): return await sys.stdin.read()
        async def run(context, input):
            context.on("ping", lambda message: context.emit("pong", message))
            try: await asyncio.wait_for(read(), 0.01)
            except asyncio.TimeoutError: context.emit("waiting")
            while line := await sys.stdin.read(): yield line
    """)
    await api.get(f"{instance}/event/waiting")
    await api.post(f"{instance}/_event", [5001, {"eventName": "ping", "message": 1}])
    assert (await api.get(f"{instance}/event/pong")).json == 1
    async with api.session.get(f"{api.url}{instance}/output") as response:
        await api.post(f"{instance}/stdin", b"first\n", x_end_stream="false")
        assert await response.content.readline() == b"first\n"  # of the read that was given up nothing is lost
        assert (await stop(api, instance))["terminated"]["exitcode"] == 138


# --- handlers, logger, exits ------------------------------------------------------------------------------------

HANDLERS = {
    "def handler(): said.append(())": "[()]",
    "def handler(timeout): said.append(timeout)": "[7.0]",
    "def handler(timeout, can): said.append((timeout, can))": "[(7.0, False)]",
    "def handler(timeout, can, more='more'): said.append((timeout, can, more))": "[(7.0, False, 'more')]",
    "def handler(*args): said.append(args)": "[(7.0, False)]",
    "async def handler(timeout=1): said.append(timeout)": "[7.0]",
    "handler = said.clear": "[]",
}


@pytest.mark.parametrize("handler", HANDLERS)
async def test_stop_handlers_take_any_number_of_parameters(handler, launch, api):
    instance = await launch(f"said = []\n{handler}\n" + """
async def run(context, input):
    context.set_stop_handler(handler)
    yield "ready\\n"
    async for line in input: pass
    yield repr(said)
""")  # fmt: skip
    async with api.session.get(f"{api.url}{instance}/output") as response:
        assert await response.content.readline() == b"ready\n"
        assert (await stop(api, instance))["terminated"]["exitcode"] == 138
        assert (await response.content.read()).decode() == HANDLERS[handler]


FLAG = """
import asyncio, time
stopping = asyncio.Event()
def run(context, input):
    context.set_stop_handler(stopping.set)
    return items()
"""
AFTER_STOP = {
    "awaits": "async def items():\n    await stopping.wait()\n    await asyncio.sleep(0.3)\n    yield 'last'",
    "polls": "async def items():\n    while not stopping.is_set(): await asyncio.sleep(0.05)\n    yield 'last'",
    "sync": "def items():\n    while not stopping.is_set(): yield ''\n    time.sleep(0.3)\n    yield 'last'",
}


@pytest.mark.parametrize("kind", AFTER_STOP)
async def test_what_run_yields_after_a_stop_handler_arrives(kind, launch, api):
    instance = await launch(FLAG + AFTER_STOP[kind])
    assert (await stop(api, instance, timeout=100_000))["terminated"]["exitcode"] == 138
    assert await api.read(f"{instance}/output") == b"last"


ECHO = """
async def run(context, input):
    context.set_stop_handler(lambda: None)
    async for item in input: yield repr(item)
"""
ACCEPTED = {
    "text": ("text/plain", b"one\ntwo", "'one\\n''two'"),
    "ndjson, the last record cut off": ("application/x-ndjson", b'1\n{"a"', "1"),
    "a document": ("application/json", b"[\n1\n]", "[1]"),
    "bytes": ("application/octet-stream", b"x" * 5, "b'xxxxx'"),
}


@pytest.mark.parametrize("kind", ACCEPTED)
async def test_what_was_accepted_before_a_stop_is_processed(kind, launch, api):
    content_type, data, expected = ACCEPTED[kind]
    instance = await launch(ECHO)
    await api.input(instance, data, content_type, **{"x-end-stream": "false"})
    assert (await stop(api, instance, timeout=100_000))["terminated"]["exitcode"] == 138
    assert (await api.read(f"{instance}/output")).decode() == expected


async def test_a_sequence_that_does_not_end_after_its_stop_handler_is_cancelled_within_the_timeout(launch, api):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            context.set_stop_handler(lambda: None)
            try: await asyncio.sleep(1000)
            finally: print("cleaned up")
    """)
    assert (await stop(api, instance, timeout=400))["terminated"]["exitcode"] == 138
    assert await api.read(f"{instance}/stdout") == b"cleaned up\n"


CONFIGURATIONS = {
    "dictConfig": "logging.config.dictConfig({'version': 1, 'root': {'level': 'INFO'}})",
    "dictConfig in run": "",
    "fileConfig": "logging.config.fileConfig('logging.ini')",
    "basicConfig": "logging.basicConfig(force=True, level='ERROR')",
    "disabled": "logging.getLogger('PythonRunner').disabled = True",
}


@pytest.mark.parametrize("kind", CONFIGURATIONS)
async def test_no_configuration_of_logging_silences_the_logger(kind, launch, api, log):
    files = {"logging.ini": "[loggers]\nkeys=root\n[handlers]\nkeys=\n[formatters]\nkeys=\n[logger_root]\nhandlers=\n"}
    instance = await launch(
        f"import logging.config\n{CONFIGURATIONS[kind]}\n"
        "def run(context, input):\n"
        f"    {CONFIGURATIONS['dictConfig'] if kind.endswith('run') else 'pass'}\n"
        "    context.logger.error('disk is full')\n",
        files=files,
    )
    await api.ended(instance)
    assert await log(instance) == [("ERROR", "disk is full")]


HUGE = "an int of 20001 bits"
EXITS = {
    "sys.exit(10**20)": (255, f"sys.exit({10**20})"),
    "sys.exit(-10**20)": (255, f"sys.exit({-(10**20)})"),
    "sys.exit(2**20000)": (255, f"sys.exit({HUGE})"),
    "sys.exit(Mute())": (23, "<its __str__ raised ZeroDivisionError>"),
    "raise Mute()": (23, "Mute: <its __str__ raised ZeroDivisionError>"),
    "raise Exits()": (23, "Exits: <its __str__ raised SystemExit>"),
    "raise ValueError('x' * 100_000)": (23, "ValueError: " + "x" * (65536 - len("ValueError: "))),
}


@pytest.mark.parametrize("call", EXITS)
async def test_the_error_tells_the_truth(call, result):
    source = f"""
        import sys
        class Mute(Exception):
            def __str__(self): return str(1 / 0)
        class Exits(Exception):
            def __str__(self): sys.exit(0)
        async def run(context, input): {call}
    """
    _, info = await result(source)
    assert (info["status"], info["terminated"]["exitcode"], info["error"]) == ("errored", *EXITS[call])


# --- entry and imports --------------------------------------------------------------------------------------------

ENTRIES = {
    "main": ("async def main(context, input, *args): yield 'main'", b"main"),
    "run beside main": ("def main(): pass\ndef run(context, input): return 'run'", b"run"),
    "main of a script": ("def run(context, input): return 'run'\nif __name__ == '__main__': 1 / 0", b"run"),
}


@pytest.mark.parametrize("kind", ENTRIES)
async def test_entries(kind, result):
    source, output = ENTRIES[kind]
    assert (await result(source))[0] == output


async def test_relative_imports_and_folders_of_the_package_root(result):
    files = {
        "src/main.py": """
            import json
            from . import names
            from .names import first
            from .inner.deep import NAME
            from lib.util import twice
            import src.names
            def run(context, input):
                return json.dumps([first, NAME, twice("x"), src.names is names, __name__])
        """,
        "src/names.py": "first = 'a name'",
        "src/inner/deep.py": "from ..names import first\nNAME = first.upper()",
        "lib/util.py": "def twice(text): return text * 2",
    }
    output, info = await result("", files=files, main="src/main.py")
    assert json.loads(output or b"null") == ["a name", "A NAME", "xx", True, "main"], info


@ZYGOTE
async def test_functions_of_main_in_a_folder_can_be_sent_to_processes(result, zygote):
    source = """
        from concurrent.futures import ProcessPoolExecutor
        import multiprocessing
        def square(number): return number * number
        def run(context, input):
            sums = []
            for method in ("fork", "spawn"):
                with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
                    sums.append(sum(pool.map(square, range(4))))
            return str(sums)
    """
    output, info = await result("", files={"src/main.py": source}, main="src/main.py")
    assert output == b"[14, 14]", info


async def test_health_waits_for_the_answer_of_the_sequences_own_check(launch, api):
    instance = await launch("""
        import asyncio
        async def run(context, input):
            async def check():
                await asyncio.sleep(0.3)
                return {"healthy": False, "why": "no database"}
            context.set_health_check(check)
            async for line in input: pass
    """)
    answers = await asyncio.gather(*(api.get(f"{instance}/health") for _ in range(3)))
    assert [(answer.json["healthy"], answer.json["why"]) for answer in answers] == [(False, "no database")] * 3
