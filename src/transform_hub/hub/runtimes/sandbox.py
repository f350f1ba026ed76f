"""A sandbox around a runner, made by bubblewrap (``bwrap``): what it sees of this machine, and nothing else.

    read-only    the system's programs and libraries, Python, the Sequence
    its own      /proc with its own processes, /dev, /tmp, which is empty at first and gone with it
    writable     the directories for its data and its Sequence's cache
    the Hub      the sockets of the runner link and, if it is on one, of the API
    not there    home directories, the Hub's data, other Sequences, and without network any interface but loopback

It has user, process, mount and IPC namespaces of its own and no capabilities, and ends with the Hub.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from transform_hub.errors import HubStartError

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
_CONFIGURATION = (
    "alternatives", "ca-certificates", "group", "hosts", "ld.so.cache", "localtime", "mime.types", "nsswitch.conf",
    "passwd", "pki", "resolv.conf", "ssl",
)  # fmt: skip
_UNIX = "http+unix://"


@dataclass(frozen=True)
class Sandbox:
    """How runners are shut in.

    Attributes:
        bwrap: the program.
        network: whether they reach the network.
    """

    bwrap: str
    network: bool

    def command(self, spec: dict[str, Any]) -> list[str]:
        """What a runner's command is put behind.

        Args:
            spec: of its Instance.
        """
        folder = spec["dir"]
        command = [*self._base(), "--ro-bind", folder, folder]
        for path in (spec["data_dir"], spec["cache_dir"], *_sockets(spec)):
            command += ["--bind", path, path]
        if "node" in spec:
            command += _read_only(_prefix(spec["node"]))
        return [*command, "--chdir", folder, "--"]

    def _base(self) -> list[str]:
        namespaces = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        if not self.network:
            namespaces.append("--unshare-net")
        own = ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108 - that of the sandbox
        own += ["--setenv", "HOME", "/tmp", "--unsetenv", "TMPDIR"]  # noqa: S108
        shut = ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        return [self.bwrap, *namespaces, *shut, *own, *(word for path in _system() for word in path)]

    async def check(self) -> None:
        """See that it works here.

        Raises:
            HubStartError: it does not.
        """
        trial = [*self._base(), "--", sys.executable, "-c", ""]
        done = await asyncio.to_thread(subprocess.run, trial, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"it exits with {done.returncode}"
            raise HubStartError(
                f"Sequences can't be run in a sandbox here: {why}. The kernel has to allow user namespaces "
                "(kernel.unprivileged_userns_clone, AppArmor, the container's seccomp profile)"
            )


def find_sandbox(*, network: bool) -> Sandbox:
    """The sandbox of this machine.

    Args:
        network: whether Sequences reach the network.

    Raises:
        HubStartError: bubblewrap is not installed.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise HubStartError("For a sandbox bubblewrap is needed: install it (apt install bubblewrap)")
    return Sandbox(bwrap, network)


def _system() -> Iterator[list[str]]:
    for path in _SYSTEM:
        if Path(path).is_symlink():
            yield ["--symlink", os.readlink(path), path]  # noqa: PTH115 - as it stands there
        else:
            yield ["--ro-bind-try", path, path]
    for name in _CONFIGURATION:
        yield ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    seen = set()
    for path in (sys.base_prefix, sys.prefix, *sys.path):
        if path and Path(path).is_absolute() and Path(path).exists() and path not in seen:
            seen.add(path)
            yield _read_only(path)


def _read_only(path: str) -> list[str]:
    return [] if Path(path).is_relative_to("/usr") else ["--ro-bind", path, path]


def _prefix(program: str) -> str:
    """The directory in which a program is installed with what belongs to it: two above it."""
    return str(Path(program).resolve().parent.parent)


def _sockets(spec: dict[str, Any]) -> Iterator[str]:
    if spec["link"].startswith("unix:"):
        yield spec["link"].removeprefix("unix:")
    if spec["hub"].startswith(_UNIX):
        yield unquote(spec["hub"].removeprefix(_UNIX).partition("/")[0])
