"""Programs that use the sync clients: how they end, are interrupted, and fork. None may leave a word on stderr."""

import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest

from debug_mode import complaints
from processes import idle
from until import until_sync

pytestmark = pytest.mark.slow

HEAD = """
import asyncio, logging, os, sys, threading
logging.getLogger("asyncio").setLevel(logging.ERROR)   # it warns of callbacks that take long on a busy machine
from transform_hub.sync import HostClient
from transform_hub.sync.portal import portal
host = HostClient(sys.argv[1])
"""


@pytest.fixture
def program(hub):
    """Starts a program; what it prints can be read from its stdout."""
    begun = []

    def start(code, *args):
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", HEAD + textwrap.dedent(code), hub.url, *args]
        begun.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return begun[-1]

    yield start
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process):
    out, err = process.communicate(timeout=30)
    assert complaints(err) == ""
    assert process.returncode == 0
    return out


@pytest.mark.parametrize(
    "code",
    [
        "host.get_version()",
        "host.get_version(); host.close()",
        "reader = host.get_log().open()",
        "lines = host.get_log().lines(); next(lines)",
        "next(host.get_log().lines())",
        "for line in host.get_log(follow=True).lines(): break",
        "writer = host.topic('t').open().open(); writer.write('{}')",
        "import atexit; atexit.register(host.close); host.get_version()",
        "cycle = [host.get_log().lines()]; cycle.append(cycle); next(cycle[0]); del cycle; import gc; gc.collect()",
        "threading.Thread(target=lambda: list(host.get_log().lines()), daemon=True).start(); host.get_version()",
        "thread = threading.Thread(target=host.get_version); thread.start()",
        "host.get_log()",
        "",
    ],
)
def test_a_program_ends(program, code):
    assert ended(program(code)) == ""


def test_a_program_ends_from_within_a_loop(program):
    assert ended(program("async def main(): print(host.get_version().api_version)\nasyncio.run(main())")) == "v1\n"


@pytest.mark.parametrize(
    "wait",
    [
        "host.instance(sys.argv[2]).get_next_event('never')",
        "host.instance(sys.argv[2]).get_output().read()",
        "list(host.instance(sys.argv[2]).get_output().lines())",
        "host.instance(sys.argv[2]).wait()",
        "host.instance(sys.argv[2]).send_input(iter(threading.Event().wait, None))",
        "host.instance(sys.argv[2]).send_input(sys.stdin.buffer)",
        "host.instance(sys.argv[2]).send_input(b'x' * 50_000_000)",
    ],
)
def test_ctrl_c(program, start, wait):
    instance = start("async def run(context, input):\n    import asyncio\n    await asyncio.Event().wait()")
    process = program(
        f"""
        host.get_version()
        try:
            print("ready", flush=True)
            {wait}
        except KeyboardInterrupt:
            async def left():
                return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            print("interrupted", portal().run(left))
        """,
        instance.id,
    )
    assert process.stdout.readline() == "ready\n"
    # Before it waits a signal may come just where Python can't raise: in the callback of an object that is dropped.
    until_sync(idle(psutil.Process(process.pid)))
    process.send_signal(signal.SIGINT)
    process.stdin.flush()
    process.wait(30)
    assert process.stdout.read() == "interrupted []\n"
    assert complaints(process.stderr.read()) == ""


def test_ctrl_c_while_a_sequence_is_run(program, client, tmp_path):
    (tmp_path / "main.py").write_text(
        "async def run(context, input):\n    import asyncio\n    await asyncio.Event().wait()"
    )
    (tmp_path / "package.json").write_text('{"name": "x", "main": "main.py", "engines": {"python3": "3"}}')
    process = program("host.run(sys.argv[2])", str(tmp_path))
    while not client.list_instances():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert err.strip().endswith("KeyboardInterrupt")
    assert client.list_instances() == []
    assert client.list_sequences() == []


def test_ctrl_c_that_nobody_catches(program):
    process = program("print(host.get_version().api_version, flush=True); list(host.get_log().lines())")
    assert process.stdout.readline() == "v1\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode in (-signal.SIGINT, 130)
    assert err.startswith("Traceback")
    assert err.count("Traceback") == 1
    assert err.strip().endswith("KeyboardInterrupt")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork(program):
    out = ended(
        program(
            """
            import warnings
            warnings.simplefilter("ignore", DeprecationWarning)   # of forks with threads, from Python 3.12 on
            reader = host.get_log().open()
            next(iter(reader.lines()))
            reader = host.get_log().open()
            host.get_version()
            if (pid := os.fork()) == 0:
                print("child", host.get_version().api_version, flush=True)
                try:
                    reader.read()
                except RuntimeError as error:
                    print(error, flush=True)
                del reader
                sys.exit(0)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            print("parent", host.get_version().api_version, status, bool(next(iter(reader))))
            """
        )
    )
    assert out.splitlines() == [
        "child v1",
        "This stream was opened before the fork: open a new one in the child process",
        "parent v1 0 True",
    ]


def test_a_pool_of_processes(program):
    out = ended(
        program(
            """
            import multiprocessing
            def ask(_): return host.get_version().api_version
            host.get_version()
            if __name__ == "__main__" and "fork" in multiprocessing.get_all_start_methods():
                import warnings
                warnings.simplefilter("ignore", DeprecationWarning)   # as above
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    print(pool.map(ask, range(3)))
                    pool.close()
                    pool.join()
            """
        )
    )
    assert out == "['v1', 'v1', 'v1']\n"
