"""``si`` as a program: in a home of its own, against a Hub that is a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sth_process import Sth

BIN = Path(sys.executable).parent
EXAMPLE = Path(__file__).parents[2] / "examples" / "sequences" / "reading-ease"


class Result:
    """How a command ended."""

    def __init__(self, done):
        self.code, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr.decode(errors="replace")

    @property
    def text(self):
        return self.stdout.decode()

    @property
    def json(self):
        return json.loads(self.stdout)


class Si:
    """Runs ``si``; has the environment that it runs in."""

    def __init__(self, env, cwd):
        self.env, self.cwd = env, cwd

    def __call__(self, *words, stdin=b"", code=0, **env):
        done = subprocess.run(
            [BIN / "si", *words], input=stdin, capture_output=True, timeout=50, check=False, cwd=self.cwd,
            env={**self.env, **env},
        )  # fmt: skip
        assert done.returncode == code, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:].decode())
        assert b"transform_hub/cli" not in done.stderr  # as it would be in a traceback of its own
        return Result(done)

    def start(self, *words, **options):
        """Start it, with pipes, and do not wait."""
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([BIN / "si", *words], cwd=self.cwd, env=self.env, **options)


@pytest.fixture(scope="session")
def hub_url(tmp_path_factory):
    """A Hub for all tests; what they leave there disturbs nobody who asks for ids of their own."""
    folder = tmp_path_factory.mktemp("hub")
    with (folder / "log").open("wb") as log:
        sth = Sth("-P", 0, "-D", folder / "sequences", stderr=log)
    yield sth.run().url
    sth.end()


@pytest.fixture
def lonely(tmp_path):
    """``si`` in a new home, with no Hub."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SI_", "SCRAMJET_"))}
    own = {
        "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "COLUMNS": "100",
        "XDG_STATE_HOME": str(tmp_path / "state"), "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    return Si({**kept, **own}, tmp_path)


@pytest.fixture
def si(lonely, hub_url):
    """``si`` in a new home, whose profile names the Hub."""
    lonely("config", "set", "apiUrl", hub_url)
    return lonely


@pytest.fixture
def folder(tmp_path):
    """Makes the folder of a Sequence: ``folder("def run(context, input): ...")``."""

    def make(source, name="test", files=None, **fields):
        path = tmp_path / name
        path.mkdir()
        fields = {"name": name, "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.10"}, **fields}
        for file, text in {"main.py": source, "package.json": json.dumps(fields), **(files or {})}.items():
            (path / file).parent.mkdir(parents=True, exist_ok=True)
            (path / file).write_text(text)
        return path

    return make


@pytest.fixture
def example():
    return EXAMPLE
