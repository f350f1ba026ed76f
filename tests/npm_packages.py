"""Programs of npm that tests run: installed into folders of their own, exactly as their locks say."""

import fcntl
import hashlib
import shutil
import subprocess

INSTALL_TIMEOUT = 240
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "network")


class UnavailableError(Exception):
    """This machine can't have the program; the text says why."""


def install(folder):
    """Have npm install what the lock in a folder names, unless that was done before.

    Raises:
        UnavailableError: there is no node, no npm, or no registry.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise UnavailableError(f"{program} is not installed")
    with (folder / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of this test run may be at it
        _install(folder, hashlib.sha256(lock.read()).hexdigest())


def _install(folder, digest):
    installed = folder / "node_modules" / ".installed"
    if installed.exists() and installed.read_text() == digest:
        return
    command = ["npm", "ci", "--ignore-scripts", "--no-progress", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    try:
        npm = subprocess.run(command, cwd=folder, timeout=INSTALL_TIMEOUT, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"npm did not finish within {INSTALL_TIMEOUT} s") from None
    if npm.returncode:
        if any(sign in npm.stderr for sign in UNREACHABLE):
            raise UnavailableError("npm does not reach its registry")
        raise RuntimeError(f"npm ci failed:\n{npm.stderr}")
    installed.write_text(digest)
