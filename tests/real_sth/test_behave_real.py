"""The scenarios in ``features/`` pass against a real Hub, as far as it can serve them."""

import os
import subprocess
import sys
from pathlib import Path

import real_hub


def test_behave(real_sth):  # which is there: but it has to be one without the Instances of other tests
    with real_hub.real_hub() as running:
        behave = subprocess.run(
            [sys.executable, "-m", "behave", "--format=progress", "--no-color"],
            cwd=Path(__file__).parents[2], env={**os.environ, "LOCAL_HOST_BASE_URL": running.url},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert behave.returncode == 0, behave.stdout + behave.stderr
