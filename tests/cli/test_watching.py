"""``si run --watch``: a Sequence runs again whenever its folder is saved."""

import contextlib
import signal
import subprocess

import pytest

from transform_hub.cli.packing import make
from transform_hub.cli.watching import look

pytestmark = pytest.mark.slow

SERVICE = """
import asyncio, sys
async def run(context, input):
    stop = asyncio.Event()
    context.set_stop_handler(stop.set)
    async for line in input:
        yield "{mark} " + line
    print("read", file=sys.stderr)
    await stop.wait()
    yield "stopped\\n"
"""


@pytest.fixture
def start(si):
    with contextlib.ExitStack() as stack:

        def begin(*words, **options):
            process = stack.enter_context(si.start(*words, **options))
            stack.callback(process.kill)
            return process

        yield begin


def until(stream, text):
    """Read lines until one has this text."""
    lines = []
    while text not in (line := stream.readline().decode()):
        assert line, f"{text!r} did not come: {lines}"
        lines.append(line)
    return lines


def save(folder, source):
    """As editors do: the new file takes the place of the old one."""
    (folder / "main.py.new").write_text(source)
    (folder / "main.py.new").replace(folder / "main.py")


def test_it_runs_again_when_a_file_is_saved(start, si, folder):
    before = si("seq", "ls").json  # of other tests
    place = folder(SERVICE.replace("{mark}", "first"))
    process = start("run", place, "--watch")
    process.stdin.write(b"one\n")
    process.stdin.close()
    assert process.stdout.readline() == b"first one\n"
    until(process.stderr, "read")

    save(place, SERVICE.replace("{mark}", "second"))  # it still runs: it is stopped first, and stdin begins anew
    assert process.stdout.readline() == b"stopped\n"
    assert process.stdout.readline() == b"second one\n"
    until(process.stderr, "read")

    save(place, "def run(")
    assert process.stdout.readline() == b"stopped\n"
    until(process.stderr, "it runs again when a file is saved")

    save(place, "def run(context, input):\n    return 'third\\n'\n")
    assert process.stdout.readline() == b"third\n"
    until(process.stderr, "Ended with exit code 0")

    save(place, SERVICE.replace("{mark}", "fourth"))
    assert process.stdout.readline() == b"fourth one\n"
    until(process.stderr, "read")
    process.send_signal(signal.SIGINT)
    assert process.stdout.read() == b"stopped\n"
    assert process.wait(30) == 130
    assert b"Traceback" not in process.stderr.read()
    assert si("seq", "ls").json == before


def test_ctrl_c_while_it_waits_for_a_change(start, folder):
    process = start("run", folder("def run(context, input): return 'done\\n'\n"), "--watch", stdin=subprocess.DEVNULL)
    until(process.stderr, "Ctrl-C ends this")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert process.stderr.read() == b""


def test_it_needs_a_folder(si, folder, tmp_path):
    si("seq", "pack", folder("def run(context, input): pass\n"), "-o", tmp_path / "a.tar.gz")
    assert "is not a folder" in si("run", tmp_path / "a.tar.gz", "--watch", code=2).stderr


def test_what_is_not_packed_is_not_watched(folder):
    place = folder("def run(context, input): pass\n", files={".siignore": "*.log\n"})
    before = look(place)
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "main.pyc").write_bytes(b"")
    (place / "a.log").write_text("")
    assert look(place) == before
    (place / "new.py").write_text("")
    assert look(place).keys() - before.keys() == {"new.py"}


def test_dependencies_are_installed_once(folder, tmp_path, monkeypatch):
    local = tmp_path / "local"
    local.mkdir()
    (local / "pyproject.toml").write_text('[project]\nname = "local"\nversion = "1"\n')
    (local / "local.py").write_text("")
    place = folder("import local\n", files={"requirements.txt": f"{local}\n"})
    cache = tmp_path / "cache"
    made = make(place, tmp_path / "a.tar.gz", cache=cache)
    assert made.dependencies == ("local 1",)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("transform_hub.cli.packing._run", lambda *_: pytest.fail("installed again"))
    again = make(place, tmp_path / "b.tar.gz", cache=cache)
    assert again == made
    (place / "requirements.txt").write_text(f"{local}\n# more\n")
    with pytest.raises(pytest.fail.Exception, match="installed again"):
        make(place, tmp_path / "c.tar.gz", cache=cache)
