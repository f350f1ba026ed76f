"""The scenarios in ``features/`` pass against a real Hub, as far as it can serve them."""

import os
import subprocess
import sys
from pathlib import Path


def test_behave(real_sth):
    behave = subprocess.run(
        [sys.executable, "-m", "behave", "--format=progress", "--no-color"],
        cwd=Path(__file__).parents[2], env={**os.environ, "LOCAL_HOST_BASE_URL": real_sth},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert behave.returncode == 0, behave.stdout + behave.stderr
