"""Renews src/transform_hub/runner/node/vendor: npm's `scramjet` and what it depends on, whole, as the lock here says.

Run: ``python tools/vendor/renew.py``. Change the version in package.json and run ``npm install --package-lock-only``
here first. npm checks what it fetches against the lock; SHA256SUMS says what is shipped, and a test compares the two.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VENDOR = HERE.parents[1] / "src" / "transform_hub" / "runner" / "node" / "vendor"
LICENCES = {"MIT", "ISC"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=True)  # noqa: S607
        modules = Path(folder, "node_modules")
        for manifest in modules.glob("*/package.json"):
            check_licence(manifest)
        shutil.rmtree(VENDOR, ignore_errors=True)
        ignored = shutil.ignore_patterns(".package-lock.json", ".bin")
        shutil.copytree(modules, VENDOR / "node_modules", ignore=ignored)
    (VENDOR / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums(VENDOR).items()))


def check_licence(manifest: Path) -> None:
    licence = json.loads(manifest.read_text())["license"]
    if licence not in LICENCES or not (manifest.parent / "LICENSE").exists():
        raise SystemExit(f"{manifest.parent.name}: licence {licence}, or no LICENSE in the package")


def sums(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file in a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()
