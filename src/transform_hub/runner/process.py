"""Turns a process into a runner: it drops what it got from its Hub and takes on its Instance's settings."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

from transform_hub.protocol import MARK
from transform_hub.runner import limits, measuring, nodejs, orphans, priority
from transform_hub.runner.python import PythonRunner


def prepare() -> None:
    """Do what makes a process a runner, of whichever Instance."""
    priority.begin_group()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a Hub in the background may ignore SIGINT
    random.seed()  # scramjet's import seeds it with a constant


def start_runner(spec: dict[str, Any]) -> NoReturn:
    """Make this process, which is prepared, the runner of an Instance."""
    spec = with_mark(spec)
    orphans.sign(spec["id"])
    # Node.js takes the rest once it runs: nothing in it changes how Node.js starts, prepared or not.
    os.environ.update({MARK: spec["id"]} if "node" in spec else spec["env"])
    time.tzset()
    if (group := spec.get("group")) is not None:
        Path(group, "cgroup.procs").write_text("0", encoding="ascii")  # this process moves there
    limits.apply(spec.get("limits") or {})
    if "node" in spec:
        nodejs.become(spec)
    measuring.begin()
    PythonRunner(spec).run()


def with_mark(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec, with the environment variable that marks the processes of its Instance."""
    return {**spec, "env": {**(spec.get("env") or {}), MARK: spec["id"]}}


def forget_hub(*kept: int) -> None:
    """Close the descriptors that a new interpreter inherited from the Hub by accident.

    Args:
        kept: descriptors that it got on purpose, beside the standard streams.
    """
    first = 3
    for descriptor in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):  # uvloop leaks its own through exec
        os.closerange(first, descriptor)
        first = descriptor + 1
