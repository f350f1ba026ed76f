"""The benchmarks run, at a very small scale; what they measure then says nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from run import NAMES  # noqa: E402
from table import BEGIN, END, VARIABLE, Row, write  # noqa: E402

SMALL = {
    "start": ["1"], "throughput": ["8", "1"], "topics": ["64", "1"], "calls": ["100", "1"], "beside": ["20"],
    "idle": ["1"], "memory": ["8", "0"], "frames": ["1000", "1"], "cli": ["1"], "sync": ["64", "1"],
}  # fmt: skip
LARGE = {"client"}
"""It has one scale, and a peer that has to be installed."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*NAMES} - LARGE))
def test_a_benchmark_has_figures(name, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "rows"))
    program = [sys.executable, BENCHMARKS / f"{name}.py", *SMALL[name]]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [Row(**json.loads(line)) for line in (tmp_path / "rows").read_text().splitlines()]
    assert all(row.what in done.stdout and row.figure in done.stdout for row in rows)


def test_the_table_takes_the_place_of_the_one_before(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{BEGIN}old\n{END}after\n")
    write(document, [Row("start", "9 ms", "fork 1 ms", "<= 10 ms"), Row("rate", "1", "", ">= 2", met=False)], 0.5)
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}Made with")
    assert text.endswith(f"{END}after\n")
    assert "| start | 9 ms | fork 1 ms | <= 10 ms | met |\n| rate | 1 |  | >= 2 | **missed** |\n" in text
    assert "old" not in text


def test_the_documentation_has_a_place_for_it():
    text = (ROOT / "docs" / "performance.md").read_text()
    assert BEGIN in text
    assert END in text
