"""``si run``: a Sequence as a program."""

import os
import pty
import signal
import subprocess

import pytest

pytestmark = pytest.mark.slow

UPPER = """
import sys
async def run(context, input, *args):
    print("args", *args, flush=True)
    print("careful", file=sys.stderr, flush=True)
    async for line in input:
        yield line.upper()
"""
BYTES = "def run(context, input):\n    return input\n"
FAILING = "async def run(context, input):\n    yield 'so far\\n'\n    raise ValueError('no more')\n"
UNTIL_STOPPED = """
import asyncio
async def run(context, input):
    stop = asyncio.Event()
    async def stopped(timeout, can_keep_alive):
        stop.set()
    context.set_stop_handler(stopped)
    yield "running\\n"
    await stop.wait()
    yield "tidied up\\n"
"""
STUBBORN = """
import asyncio
async def run(context, input):
    async def never(timeout, can_keep_alive):
        context.emit("stopping", 1)
        await asyncio.sleep(600)
    context.set_stop_handler(never)
    yield "running\\n"
    await asyncio.sleep(600)
"""


def test_stdin_becomes_input_and_output_becomes_stdout(si, folder):
    before = len(si("seq", "ls").json)
    done = si("run", folder(UPPER), "--args", "[1, 2]", stdin="é\nlast".encode())
    assert done.text == "É\nLAST"
    assert "args 1 2" in done.stderr
    assert "careful" in done.stderr
    assert len(si("seq", "ls").json) == before  # it has cleaned up


def test_what_it_deletes_is_not_the_last_of_the_session(si, folder):
    sequence = si("seq", "send", folder(UPPER)).json["id"]
    instance = si("seq", "start", "-").json["id"]
    si("run", folder(UPPER, "other"), stdin=b"x")
    assert si("seq", "info", "-").json["id"] == sequence
    assert si("inst", "info", "-").json["id"] == instance
    si("inst", "kill", "-")
    si("run", folder(UPPER, "kept"), "--keep", stdin=b"x")
    assert si("seq", "info", "-").json["id"] != sequence
    assert si("inst", "info", "-").json["id"] != instance


def test_bytes_of_any_kind_come_through_as_they_are(si, folder):
    data = bytes(range(256)) * 4096 * 3 + b"\xff\n" + b"x" * 10_000_000
    assert si("seq", "run", folder(BYTES), "-t", "application/octet-stream", stdin=data).stdout == data


def test_it_exits_with_the_code_of_the_instance(si, folder):
    done = si("run", folder(FAILING), code=23)
    assert done.text == "so far\n"
    assert "ValueError: no more" in done.stderr
    assert "Sequence failed during execution" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(si, folder, number):
    process = si.start("run", folder(UNTIL_STOPPED))
    assert process.stdout.readline() == b"running\n"
    process.send_signal(number)
    out, errors = process.communicate(timeout=30)
    assert out == b"tidied up\n"
    assert process.returncode == 128 + number
    assert b"Traceback" not in errors


def test_a_second_ctrl_c_kills_what_does_not_stop(si, folder):
    process = si.start("run", folder(STUBBORN), "--stop-timeout", "60000")
    assert process.stdout.readline() == b"running\n"
    (instance,) = [each["id"] for each in si("inst", "ls").json if each["status"] == "running"]
    process.send_signal(signal.SIGINT)
    assert si("inst", "event", "on", instance, "stopping").json == 1
    process.send_signal(signal.SIGINT)
    assert process.wait(100) == 130
    process.communicate()


def test_a_reader_that_goes_away_ends_it(si, folder):
    forever = "async def run(context, input):\n    while True: yield 'y\\n' * 1000\n"
    folder(forever, "forever")
    done = subprocess.run(
        "si run forever | head -2", shell=True, capture_output=True, cwd=si.cwd, env=si.env, timeout=50, check=False
    )
    assert done.stdout == b"y\ny\n"
    assert done.stderr == b""


def test_it_ends_with_the_instance_while_stdin_is_still_open(si, folder):
    folder("def run(context, input):\n    return 'done'\n", "short")
    parent, child = pty.openpty()
    process = si.start("run", "short", stdin=child)
    os.close(child)
    out, _ = process.communicate(timeout=30)  # nothing was typed
    os.close(parent)
    assert (process.returncode, out) == (0, b"done")
