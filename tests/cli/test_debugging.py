"""``si run`` at a terminal: a debugger in the Sequence, and what else is typed."""

import os
import pty
import re
import subprocess

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]

STOPS = """
async def run(context, input):
    print("begun")
    async for line in input:
        size = len(line)
        if line == "stop\\n":
            breakpoint()
        yield f"{size}: {line}"
"""
FAILS = """
import pdb, sys
def run(context, input):
    number = 41
    try:
        1 / 0
    except ZeroDivisionError:
        pdb.post_mortem(sys.exc_info()[2])
    return f"{number + 1}\\n"
"""


class Terminal:
    def __init__(self, si, *words):
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            ["si", *words], stdin=theirs, stdout=theirs, stderr=theirs, cwd=si.cwd, env={**si.env, "TERM": "dumb"}
        )
        os.close(theirs)
        self.seen = ""

    def type(self, line):
        os.write(self.ours, line.encode())

    def until(self, text):
        """Read until this is shown; what came before it."""
        while text not in self.seen:
            self.seen += os.read(self.ours, 65536).decode().replace("\r\n", "\n")
        before, _, self.seen = self.seen.partition(text)
        return before

    def end(self):
        code = self.process.wait(30)
        os.close(self.ours)
        return code


@pytest.fixture
def terminal(si):
    begun = []

    def begin(*words):
        begun.append(Terminal(si, *words))
        return begun[-1]

    yield begin
    for each in begun:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def test_a_breakpoint_opens_a_debugger(terminal, folder):
    seen = terminal("run", folder(STOPS), "-q")
    seen.until("begun\n")
    seen.type("hello\n")
    seen.until("\n6: hello\n")
    seen.type("stop\n")
    assert re.search(r"main\.py\(\d+\)run\(\)", seen.until("(Pdb) "))
    seen.type("p size + 100\n")
    seen.until("\n105\n(Pdb) ")
    seen.type("size = 7\n")
    seen.until("(Pdb) ")
    seen.type("c\n")
    seen.type("next\n")  # without a prompt it is input again
    seen.until("\n7: stop\n")
    seen.until("5: next\n")
    seen.type("\x04")
    assert seen.end() == 0


def test_a_post_mortem(terminal, folder):
    seen = terminal("run", folder(FAILS), "-q")
    assert re.search(r"main\.py\(\d+\)run\(\)", seen.until("(Pdb) "))
    seen.type("p number\n")
    seen.until("\n41\n(Pdb) ")
    seen.type("q\n")
    seen.until("42\n")
    assert seen.end() == 0


def test_an_instance_is_debugged_by_attaching_to_it(terminal, si, folder):
    instance = si("-q", "seq", "deploy", folder(FAILS)).text.strip()
    seen = terminal("inst", "attach", instance)
    seen.until("(Pdb) ")
    seen.type("p number\n")
    seen.until("\n41\n(Pdb) ")
    seen.type("c\n")
    assert si("inst", "output", instance).text == "42\n"


@pytest.mark.parametrize("end", ["q\n", "\x04"])
def test_the_debugger_is_left_by_quit_and_by_the_end_of_input(end, terminal, folder):
    seen = terminal("run", folder(STOPS), "-q")
    seen.until("begun\n")
    seen.type("stop\n")
    seen.until("(Pdb) ")
    seen.type(end)
    seen.until("BdbQuit")
    assert seen.end() == 23


def test_a_pipe_goes_to_the_input_whatever_is_printed(si, folder):
    source = "def run(context, input):\n    print('(Pdb) ', end='', flush=True)\n    return input\n"
    done = si("run", folder(source), "-q", stdin=b"one\n")
    assert (done.text, done.stderr) == ("one\n", "(Pdb) ")
