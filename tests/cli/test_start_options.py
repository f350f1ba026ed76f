"""Files with what a Sequence is started with."""

import pytest

from transform_hub.cli.exits import CommandError
from transform_hub.cli.start_options import start_options

NONE = {"args": None, "config_file": None, "config_string": None}


@pytest.mark.parametrize(
    ("name", "content"),
    [("start.json", '{"args": [1], "appConfig": {"a": 2}}'), ("start.yaml", "args: [1]\nappConfig: {a: 2}")],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_start_options_in_a_file(tmp_path, name, content, mark):
    file = tmp_path / name
    file.write_text(mark + content, encoding="utf-8")
    assert start_options(**NONE, startup_config=file) == {"args": [1], "app_config": {"a": 2}}


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{\0}\0"], ids=["unfinished", "UTF-16"])
def test_a_file_that_is_not_json_is_named(tmp_path, content):
    file = tmp_path / "start.json"
    file.write_bytes(content)
    with pytest.raises(CommandError, match=r"start.json is not JSON"):
        start_options(**NONE, startup_config=file)
