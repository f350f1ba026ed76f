"""``si init``: what it makes runs at once, and its own test passes."""

import shutil
import subprocess
import sys

import pytest

from transform_hub.cli.init import TEMPLATES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_test_of_a_template_passes(lonely, template, tmp_path):
    if template == "javascript" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    words = ["js"] if template == "javascript" else [template]
    made = lonely("init", "seq", *words, "-p", "made").json
    assert made["template"] == template
    assert "package.json" in made["files"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "made"],
        cwd=tmp_path, env=lonely.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout


def test_what_is_there_is_left_alone(lonely, tmp_path):
    (tmp_path / "sequence").mkdir()
    (tmp_path / "sequence" / "mine").write_text("")
    assert "not empty" in lonely("init", "sequence", code=1).stderr
    assert "take one of map" in lonely("init", "sequence", "nothing", code=2).stderr


def test_several_sequences_of_a_project_are_tested_in_one_run(lonely, tmp_path):
    for path in ("one", "Two.b"):
        lonely("init", "seq", "-p", f"sequences/{path}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "sequences"],
        cwd=tmp_path, env=lonely.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "2 passed" in done.stdout, done.stdout
