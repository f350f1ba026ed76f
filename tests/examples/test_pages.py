"""The pages of the examples say what comes out."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from needs import needs

PIPELINES = Path(__file__).parents[2] / "examples" / "pipelines"
PACKAGES = {"parquet": "polars", "windows": "pandas", "scorer": "sklearn", "thumbnails": "PIL", "etl": "sqlite3"}

pytestmark = pytest.mark.slow


def commands_of(page):
    """Each command, with what it prints."""
    (console,) = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    return [step.split("\n", 1) for step in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]]


@pytest.fixture
def shell(hub, tmp_path):
    folder = tmp_path / "example"

    def run(command):
        command = re.sub(r"\bsi (run|seq deploy)", r"si \1 --no-deps", command)  # they are installed here
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "HOME": str(tmp_path), "SCRAMJET_HUB_URL": hub.url}
        return subprocess.run(
            ["bash", "-c", command], check=True, capture_output=True, text=True, cwd=folder, env=environment
        ).stdout

    return run


@pytest.mark.parametrize("name", PACKAGES)
def test_page(name, shell, tmp_path):
    needs(PACKAGES[name])
    folder = shutil.copytree(PIPELINES / name, tmp_path / "example")
    for command, expected in commands_of((folder / "README.md").read_text()):
        assert shell(command) == expected


def test_page_of_enrich(service, shell, tmp_path):
    folder = shutil.copytree(PIPELINES / "enrich", tmp_path / "example")
    _, (command, expected) = commands_of((folder / "README.md").read_text())
    assert shell(command.replace("http://127.0.0.1:8090", service.url)) == expected


def test_all_have_a_page_and_stand_in_the_list():
    folders = {path.parent.name for path in PIPELINES.glob("*/package.json")}
    assert folders == {*PACKAGES, "enrich"} == {path.parent.name for path in PIPELINES.glob("*/README.md")}
    listed = (PIPELINES.parents[1] / "docs" / "examples.md").read_text()
    assert set(re.findall(r"\(\.\./examples/pipelines/(\w+)\)", listed)) == folders
