"""The scenarios in ``features/`` pass, against the Hub that ``behave`` starts by itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_behave():
    environment = {name: value for name, value in os.environ.items() if name != "LOCAL_HOST_BASE_URL"}
    behave = subprocess.run(
        [sys.executable, "-m", "behave", "--format=progress", "--no-color"],
        cwd=Path(__file__).parent.parent, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert behave.returncode == 0, behave.stdout + behave.stderr
    if shutil.which("node"):
        assert " 0 skipped" in behave.stdout
