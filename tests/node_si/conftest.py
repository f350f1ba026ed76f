"""The ``si`` of npm and ours, in homes of their own, and the Hubs that they drive."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import real_hub

import npm_packages
from sth_process import Sth

FOLDER = Path(__file__).parent
OURS = [Path(sys.executable).with_name("si")]
THEIRS = [FOLDER / "node_modules" / ".bin" / "si"]

UNAVAILABLE = pytest.StashKey()


def pytest_terminal_summary(terminalreporter, config):
    if reason := config.stash.get(UNAVAILABLE, None):
        terminalreporter.write_line(f"NOT TESTED with the si of npm: {reason}", yellow=True)


class Command:
    """One of the two programs, in a home of its own and in a shell session of its own."""

    def __init__(self, program, place):
        self.program, self.place = program, place
        for name in ("home", "tmp"):
            (place / name).mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SI_", "SCRAMJET_"))}
        self.env = {**kept, "HOME": str(place / "home"), "TMPDIR": str(place / "tmp"), "NO_COLOR": "1"}

    def start(self, *words, **options):
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([*self.program, *words], cwd=self.place, env=self.env, **options)

    def try_(self, *words, stdin=b""):
        return subprocess.run(
            [*self.program, *words], input=stdin, cwd=self.place, env=self.env, capture_output=True, timeout=60,
            check=False,
        )  # fmt: skip

    def __call__(self, *words, stdin=b""):
        """Stdout of a command that works."""
        done = self.try_(*words, stdin=stdin)
        assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout


@pytest.fixture(scope="session")
def npm_si(pytestconfig):
    """The command of npm."""
    try:
        npm_packages.install(FOLDER)
    except npm_packages.UnavailableError as error:
        pytestconfig.stash[UNAVAILABLE] = str(error)
        pytest.skip(f"no si of npm: {error}")
    return THEIRS


@pytest.fixture(scope="session")
def real_url(pytestconfig):
    """URL of the Hub of npm."""
    try:
        real_hub.install()
    except npm_packages.UnavailableError as error:
        pytestconfig.stash[UNAVAILABLE] = str(error)
        pytest.skip(f"no Hub of npm: {error}")
    with real_hub.real_hub() as running:
        yield running.url


@pytest.fixture(scope="session")
def own_url(tmp_path_factory):
    """URL of our Hub, which is a process."""
    sth = Sth("-P", 0, "-D", tmp_path_factory.mktemp("hub") / "sequences", stderr=subprocess.DEVNULL)
    yield sth.run().url
    sth.end()


@pytest.fixture(
    params=["si of npm, our Hub", "our si, Hub of npm", "our si, our Hub"], ids=lambda name: name.replace(" ", "-")
)
def pair(request, tmp_path):
    """A command, the URL of the Hub that it is to drive, and the language of Sequences that both can do with.

    The runner for Python that STH has ends with an error on every Python that is not an old one.
    """
    program = request.getfixturevalue("npm_si") if request.param.startswith("si of npm") else OURS
    if request.param.endswith("Hub of npm"):
        return Command(program, tmp_path), request.getfixturevalue("real_url"), "js"
    return Command(program, tmp_path), request.getfixturevalue("own_url"), "py"
