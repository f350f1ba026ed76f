"""Runs all benchmarks, one after the other: ``make bench``."""

import subprocess
import sys
from pathlib import Path

<<<<<<< HEAD
for name in ("start", "throughput", "topics", "memory", "client"):
=======
for name in ("start", "throughput", "topics", "sync", "memory"):
>>>>>>> e568565 (Documentation of sync clients and of testing; a benchmark of what sync costs)
    subprocess.run([sys.executable, Path(__file__).with_name(f"{name}.py")], check=True)
    print(flush=True)
