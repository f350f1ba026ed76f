"""Packages of PyPI that tests run: installed into folders of their own, apart from this environment's."""

import fcntl
import shutil
import subprocess
import sys

INSTALL_TIMEOUT = 240
UNREACHABLE = ("No matching distribution", "Connection", "connection", "timed out", "Name or service", "Max retries")


class UnavailableError(Exception):
    """This machine can't have the packages; the text says why."""


def install(folder, *requirements):
    """Have pip install packages, without what they require, into a folder, unless that was done before.

    Raises:
        UnavailableError: there is no pip, or no index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of this test run may be at it
        installed, wanted = folder / ".installed", "\n".join(requirements)
        if installed.exists() and installed.read_text() == wanted:
            return
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
        try:
            pip = subprocess.run(
                [*command, "--target", folder, *requirements],
                timeout=INSTALL_TIMEOUT, capture_output=True, text=True, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"pip did not finish within {INSTALL_TIMEOUT} s") from None
        if pip.returncode:
            if any(sign in pip.stderr for sign in (*UNREACHABLE, "No module named pip")):
                raise UnavailableError(f"pip can't install {', '.join(requirements)}")
            raise RuntimeError(f"pip failed:\n{pip.stderr}")
        installed.write_text(wanted)
