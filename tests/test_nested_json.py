"""JSON that is nested too deeply is told, wherever it is read: the parsers raise an error of their own for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from transform_hub.cli.log_lines import _entry
from transform_hub.client.json_line import decode_damaged
from transform_hub.errors import HubStartError, ProfileError
from transform_hub.hub.instances.history import History
from transform_hub.hub.reattach.records import Records
from transform_hub.hub.setup.files import read_document
from transform_hub.profile import files
from transform_hub.protocol import MessageBuffer

NESTED = "[" * 100_000


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(NESTED)
    return path


def test_files_of_an_earlier_hub_are_left_out(file, tmp_path):
    file.write_text('{"id":"a","secret":"b","sequenceId":"c","request":{"args":' + NESTED)
    assert Records(tmp_path).find("a") is None
    history = History(file, 10)
    history.open()
    history.close()


def test_files_of_people_are_refused_by_name(file):
    with pytest.raises(HubStartError, match=r"a\.json is nested too deeply"):
        read_document(file)
    with pytest.raises(ProfileError, match=r"a\.json is not JSON"):
        files.read(file)


def test_what_runners_and_sequences_send_is_refused():
    with pytest.raises(ValueError, match="nested too deeply"):
        MessageBuffer().feed(NESTED.encode() + b"\n")
    with pytest.raises(ValueError, match="nested too deeply"):
        decode_damaged(NESTED.encode(), dict)
    assert _entry('{"msg":' + NESTED) is None


@pytest.mark.parametrize(
    "command",
    [
        ("config", "set", "json", NESTED),
        ("seq", "start", "a", "--args", NESTED),
        ("seq", "start", "a", "-f", "a.json"),
        ("scope", "use", "a"),
        ("seq", "pack", "."),
    ],
)
def test_commands_say_so(command, file):
    file.with_name("package.json").write_text(NESTED)
    si = str(Path(sys.executable).with_name("si"))
    scopes = file.parent / ".si" / "scopes"
    scopes.mkdir(parents=True)
    (scopes / "a.json").write_text(NESTED)
    environment = {**os.environ, "HOME": str(file.parent)}
    ended = subprocess.run(
        [si, *command], cwd=file.parent, env=environment, stderr=subprocess.PIPE, text=True, check=False
    )
    assert ended.returncode not in (0, 70)
    assert "nested" in ended.stderr or "recursion" in ended.stderr
