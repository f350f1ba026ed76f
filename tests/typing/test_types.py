"""Programs of users pass the type checkers, at their strictest; wrong ones don't."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from needs import needs

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RIGHT = [str(HERE / f"{name}_program.py") for name in ("async", "sync", "published", "sequence")]
WRONG = HERE / "wrong_program.py"
DATA_EXAMPLES = sorted(ROOT.glob("examples/pipelines/**/*.py"))
SHOWN = sorted([*ROOT.glob("examples/**/*.py"), *ROOT.glob("src/transform_hub/cli/templates/**/*.py")])
SHOWN = [path for path in SHOWN if path not in DATA_EXAMPLES]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # a checker without a cache reads aiohttp, too


@pytest.fixture
def mypy(tmp_path):
    def check(*files):
        # Elsewhere, as a user has it: no settings of this project, nothing but what is installed.
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache" / "users"]
        done = subprocess.run([*command, *files], check=False, capture_output=True, text=True, cwd=tmp_path)
        return re.findall(r"([\w-]+\.py):(\d+): error: (.*)", done.stdout), done.stdout + done.stderr

    return check


@pytest.fixture
def pyright(tmp_path):
    def check(*files):
        project = tmp_path / "pyrightconfig.json"
        project.write_text(json.dumps({"typeCheckingMode": "strict", "include": [*map(str, files)]}))
        command = [sys.executable, "-m", "basedpyright", "--project", project, "--pythonpath", sys.executable]
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
        return re.findall(r"([\w-]+\.py):(\d+):\d+ - error: (.*)", done.stdout), done.stdout + done.stderr

    return check


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_the_public_types_are_what_they_were(checker, request):
    found, said = request.getfixturevalue(checker)(*RIGHT)
    assert found == [], said
    assert re.search("no issues found in 4|0 errors", said), said


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_mistakes_are_found(checker, request):
    found, said = request.getfixturevalue(checker)(WRONG)
    expected = {number for number, line in enumerate(WRONG.read_text().splitlines(), 1) if "# wrong" in line}
    assert {int(line) for _, line, _ in found} == expected, said


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_examples_and_templates_are_typed(checker, request, tmp_path):
    found, said = request.getfixturevalue(checker)(*copied(SHOWN, tmp_path))
    assert found == [], said
    assert re.search(f"no issues found in {len(SHOWN)}|0 errors", said), said


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_examples_with_packages_are_typed(checker, request, tmp_path):
    for package in ("httpx", "polars", "pandas", "pandas-stubs", "sklearn", "sklearn-stubs", "PIL"):
        needs(package)
    found, said = request.getfixturevalue(checker)(*copied(DATA_EXAMPLES, tmp_path))
    assert found == [], said
    assert re.search(f"no issues found in {len(DATA_EXAMPLES)}|0 errors", said), said


def copied(paths, folder):
    """Under names of their own: mypy takes all that are called main.py for one module."""
    copies = [folder / f"{'_'.join(path.relative_to(ROOT).with_suffix('').parts)}.py" for path in paths]
    for path, copy in zip(paths, copies, strict=True):
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return copies
