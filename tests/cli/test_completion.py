"""Completion in real shells, at a real terminal."""

import contextlib
import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SHELLS = {
    "bash": ["bash", "--noprofile", "-i"],
    "zsh": ["zsh", "-i"],
    "fish": ["fish", "-i"],
}


class Terminal:
    """A shell that somebody sits at."""

    def __init__(self, command, env, cwd):
        self.fd, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("4H", 24, 500, 0, 0))  # no line is broken
        self.process = subprocess.Popen(
            command, stdin=child, stdout=child, stderr=child, start_new_session=True, cwd=cwd,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - its own, as fish wants it
            env={**env, "TERM": "xterm", "PS1": "ready> "},
        )  # fmt: skip
        os.close(child)
        self.seen = ""

    def type(self, text):
        self.seen = ""
        os.write(self.fd, text.encode())

    def wait_for(self, pattern, seconds=40):
        """Read until something is on the screen."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.plain):
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.fd], [], [], left)[0]:
                data = os.read(self.fd, 65536)
                self._answer(data)
                self.seen += data.decode(errors="replace")
        return self.plain

    def complete(self, typed, completed):
        """Type and press Tab, again where the Hub has not answered for as long as completion waits."""
        for seconds in (5, 10, 20):
            self.type("\x15")  # clears the line
            self.type(typed + "\t")
            with contextlib.suppress(AssertionError):
                return self.wait_for(completed, seconds)
        self.type("\x15" + typed + "\t")
        return self.wait_for(completed)

    @property
    def plain(self):
        return re.sub(r"\x1b(\[[0-9;?>]*[a-zA-Z]|\][^\x07\x1b]*(\x07|\x1b\\)|[()=>][A-Z0-9]?)|\r", "", self.seen)

    def _answer(self, data):
        """What a terminal says of itself when it is asked; fish waits for that."""
        if b"\x1b[c" in data or b"\x1b[0c" in data:
            os.write(self.fd, b"\x1b[?62c")
        if b"\x1b[6n" in data:
            os.write(self.fd, b"\x1b[1;1R")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


@pytest.fixture(params=SHELLS)
def terminal(request, si):
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    si("completion", "install", shell)
    command = SHELLS[shell]
    if shell == "bash":
        command = ["bash", "--noprofile", "--rcfile", f"{si.env['HOME']}/.bashrc", "-i"]
    opened = Terminal(command, si.env, si.cwd)
    opened.shell = shell
    yield opened
    opened.close()


def test_commands_options_ids_and_profiles_are_completed(terminal, si, folder):
    name = f"in-{terminal.shell}"
    sequence = si("-q", "seq", "send", folder("def run(context, input): pass\n", name)).text.strip()
    si("config", "profile", "create", "elsewhere")
    terminal.type("echo o''k\n")
    terminal.wait_for(r"\bok\b")
    for typed, completed in (
        ("si seq depl", r"seq deploy "),
        ("si seq start --config-str", r"--config-string "),
        (f"si seq info {sequence[:20]}", f"info {sequence} ?"),
        (f"si seq info {name[:-1]}", rf"info {name} "),
        ("si config profile use elsew", r"use elsewhere "),
    ):
        terminal.complete(typed, completed)


def test_install_changes_nothing_else_and_uninstall_undoes_it(lonely, tmp_path):
    start = tmp_path / "home" / ".bashrc"
    start.write_text("alias ll='ls -l'\n")
    for _ in range(2):  # a second time adds nothing
        lonely("completion", "install", "bash")
    assert start.read_text().startswith("alias ll='ls -l'\n")
    assert start.read_text().count("si completion show bash") == 1
    lonely("completion", "uninstall", "bash")
    assert start.read_text() == "alias ll='ls -l'\n"
    lonely("completion", "install", "fish")
    fish = tmp_path / "config" / "fish" / "completions" / "si.fish"
    assert "complete --command si" in fish.read_text()
    lonely("completion", "uninstall", "fish")
    assert not fish.exists()


def test_without_a_hub_completion_says_nothing_and_does_not_wait(lonely):
    lonely("config", "set", "apiUrl", "http://127.0.0.1:1/api/v1")
    env = {**lonely.env, "COMP_WORDS": "si seq info x", "COMP_CWORD": "3", "_SI_COMPLETE": "complete_bash"}
    done = subprocess.run(["si"], env=env, capture_output=True, timeout=30, check=False)
    assert (done.stdout.strip(), done.stderr) == (b"", b"")
