"""Runs all benchmarks, one after the other: ``make bench``."""

import subprocess
import sys
from pathlib import Path

for name in ("start", "throughput", "topics", "memory", "client", "sync", "cli"):
    subprocess.run([sys.executable, Path(__file__).with_name(f"{name}.py")], check=True)
    print(flush=True)
