"""How a process becomes a runner: what it drops of its Hub, and what it takes on of its Instance."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any, NoReturn

from transform_hub.runner import limits, nodejs, orphans
from transform_hub.runner.python import PythonRunner


def start_runner(spec: dict[str, Any]) -> NoReturn:
    """Make this process the runner of an Instance."""
    os.setsid()  # Ctrl-C in the Hub's terminal is not the Sequence's, and its children can be ended with it
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whether a Hub in the background ignores it or not
    spec = with_mark(spec)
    orphans.sign(spec["id"])
    random.seed()  # scramjet seeds it with a constant when it is imported
    os.environ.update(spec["env"])
    if (group := spec.get("group")) is not None:
        Path(group, "cgroup.procs").write_text("0", encoding="ascii")  # this process moves there
    limits.apply(spec.get("limits") or {})
    if "node" in spec:
        nodejs.become(spec)
    PythonRunner(spec).run()


def with_mark(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec, with the environment variable that tells the processes of its Instance."""
    return {**spec, "env": {**(spec.get("env") or {}), orphans.MARK: spec["id"]}}


def forget_hub(*kept: int) -> None:
    """Drop what a new interpreter has got from the Hub by accident.

    Args:
        kept: descriptors that it has got on purpose, besides the standard streams.
    """
    first = 3
    for descriptor in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):  # uvloop lets its own slip through exec
        os.closerange(first, descriptor)
        first = descriptor + 1
