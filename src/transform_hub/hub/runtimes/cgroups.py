"""Control groups (cgroups v2): limits that hold for all processes of an Instance together.

    <the Hub's own>/                          delegated to it, as by ``Delegate=yes`` of systemd, or a container's
        sth-<digest of the Hub's directory>/
            hub/                              the Hub and its zygote: only groups without processes can have
                                              children with limits, so that the Hub has to leave its own
            <digest of its id>.<n>/           an Instance's, of one run, if it is limited

They are used where this works and is not somebody else's to do; elsewhere limits hold for each process by itself
(see :mod:`transform_hub.runner.limits`). A group is gone with its run, and all that was in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import logging
import os
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger(__name__)

CONTROLLERS = ("memory", "pids")

WEIGHT = 33
"""Share of the processor of an Instance's group, beside 100 of the Hub's."""

_PREFIX = "sth-"
_LEAF = "hub"
_FILES = {"memory": "memory.max", "processes": "pids.max"}
LIMITED = _FILES.keys()
"""Limits that a group has."""

_RETRY = 0.05
_RETRIES = 100


class ControlGroups:
    """The groups of one Hub.

    Args:
        root: the directory they are in; what earlier Hubs have left there is found again or removed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._numbers = itertools.count()
        self._of: dict[str, Path] = {}
        for each in root.iterdir():
            if each.is_dir() and each.name != _LEAF:
                self._of[each.stem] = each

    def make(self, instance_id: str, limits: dict[str, int]) -> Path:
        """A group for a run.

        Args:
            instance_id: of its Instance.
            limits: ``memory`` in bytes, number of ``processes`` (threads count).

        Raises:
            OSError: it can't be made.
        """
        own = _digest(instance_id)
        group = self._of[own] = self._root / f"{own}.{os.getpid()}-{next(self._numbers)}"
        group.mkdir()
        with contextlib.suppress(OSError):  # where there is no controller of the processor
            (group / "cpu.weight").write_text(str(WEIGHT))
        for name, file in _FILES.items():
            if name in limits:
                (group / file).write_text(str(limits[name]))
        if "memory" in limits:
            (group / "memory.oom.group").write_text("1")  # an Instance that has lost a process is not whole
            with contextlib.suppress(OSError):  # there is none, or it is not accounted for
                (group / "memory.swap.max").write_text("0")
        return group

    def end(self, instance_id: str) -> bool:
        """End what is in the group of a run, and remove it.

        Returns:
            Whether it had reached its limit of memory.
        """
        group = self._of.pop(_digest(instance_id), None)
        return group is not None and _end(group)

    def keep(self, instance_ids: Iterable[str]) -> None:
        """Remove what earlier Hubs have left, except for these Instances."""
        for each in self._of.keys() - {_digest(each) for each in instance_ids}:
            _end(self._of.pop(each))


def open_groups(directory: Path) -> ControlGroups | None:
    """Make use of control groups, for which this process moves into one of its own.

    Args:
        directory: of the Hub's state; each has groups of its own.

    Returns:
        None if there are none for this process to use.
    """
    own = _own_group()
    if own is None:
        return None
    name = _PREFIX + _digest(str(directory))
    try:
        if not set(CONTROLLERS) <= set((own / "cgroup.controllers").read_text().split()):
            return None
        (own / name / _LEAF).mkdir(parents=True, exist_ok=True)
        (own / name / _LEAF / "cgroup.procs").write_text("0")
        for group in (own, own / name):
            control = group / "cgroup.subtree_control"
            control.write_text(" ".join(f"+{each}" for each in CONTROLLERS))
            with contextlib.suppress(OSError):  # only WEIGHT needs it
                control.write_text("+cpu")
        return ControlGroups(own / name)
    except OSError as error:  # others are in it, too, or it may not be written to
        log.debug("No control groups: %s", error)
        _leave(own, name)
        return None


def entering(group: Path) -> list[str]:
    """What a command is put behind to run in a group."""
    return ["/bin/sh", "-c", 'echo 0 > "$0" && exec "$@"', str(group / "cgroup.procs")]


def _own_group() -> Path | None:
    """The group in which this process may make others."""
    try:
        mount, base = _mount()
        path = next(line[3:] for line in _lines("/proc/self/cgroup") if line.startswith("0::"))
        own = mount / Path(path).relative_to(base)
    except (OSError, ValueError, StopIteration):  # no cgroups v2, or not the part in which this process is
        return None
    if own.name == _LEAF and own.parent.name.startswith(_PREFIX):  # where the Hub before this one has put itself
        own = own.parent.parent
    elif _is_delegated(own.parent):  # and its part is the one that DelegateSubgroup= of systemd names
        own = own.parent
    return own if _is_delegated(own) or not Path("/run/systemd/system").is_dir() else None


def _mount() -> tuple[Path, str]:
    """Where cgroups v2 are mounted, and which part of them."""
    for line in _lines("/proc/self/mountinfo"):
        fields, _, filesystem = line.partition(" - ")
        if filesystem.startswith("cgroup2 "):
            base, place = fields.split()[3:5]
            return Path(place), base
    raise FileNotFoundError


def _is_delegated(group: Path) -> bool:
    """Whether systemd leaves to others what is in a group."""
    with contextlib.suppress(OSError, AttributeError):
        return os.getxattr(group, "user.delegate") == b"1"
    return False


def _leave(own: Path, name: str) -> None:
    with contextlib.suppress(OSError):
        (own / "cgroup.procs").write_text("0")
    for each in (own / name / _LEAF, own / name):
        with contextlib.suppress(OSError):
            each.rmdir()


def _end(group: Path) -> bool:
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1")
    try:
        return _count(group / "memory.events", "oom_kill") > 0
    except OSError:
        return False
    finally:
        _remove(group)


def _remove(group: Path, tries: int = _RETRIES) -> None:
    try:
        group.rmdir()
    except OSError as error:  # its processes take a moment to end
        if tries:
            asyncio.get_running_loop().call_later(_RETRY, _remove, group, tries - 1)
        else:
            log.warning("The control group %s can't be removed: %s", group, error)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16]


def _count(file: Path, name: str) -> int:
    return sum(int(line.split()[1]) for line in _lines(file) if line.split()[0] == name)


def _lines(file: str | Path) -> list[str]:
    return Path(file).read_text(encoding="utf-8").splitlines()
