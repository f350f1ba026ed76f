"""Writes the sync modules: ``make sync``."""

from __future__ import annotations

import subprocess
import sys

from make_sync import sources


def main() -> None:
    """Write and format them."""
    written = sources()
    for path, text in written.items():
        path.write_text(text)
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--quiet", "--fix", "--select", "I", *written], check=True)  # noqa: S603
    subprocess.run([*ruff, "format", "--quiet", *written], check=True)  # noqa: S603


if __name__ == "__main__":
    main()
