"""Runs all benchmarks, one after the other, and writes their table: ``make bench``.

Run: ``python benchmarks/run.py [document]``.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from table import VARIABLE, Row, write

NAMES = ("start", "throughput", "topics", "calls", "beside", "frames", "idle", "memory", "client", "sync", "cli")


def main() -> None:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows")
        for name in NAMES:
            program = Path(__file__).with_name(f"{name}.py")
            subprocess.run([sys.executable, program], check=True, env={**os.environ, VARIABLE: str(file)})
            print(flush=True)
        rows = [Row(**json.loads(line)) for line in file.read_text().splitlines()]
    if sys.argv[1:]:
        write(Path(sys.argv[1]), rows, load)


if __name__ == "__main__":
    main()
