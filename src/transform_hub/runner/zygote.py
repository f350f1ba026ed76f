"""The zygote: a process with Python, asyncio and the framework loaded, which forks runners from itself.

Forking takes a few milliseconds where starting an interpreter takes a hundred. The Hub speaks to it over a
socket that it inherits, one JSON object per line:

    Hub -> zygote    the spec of an Instance to run (see PythonRunner)
    zygote -> Hub    {"started": id, "pid": pid}
                     {"exited": id, "status": wait status}

Node.js can't be forked so: for JavaScript Sequences one process that is started ahead waits for its spec (see
:mod:`transform_hub.runner.nodejs`). There is one from the first such Sequence on, until none has come for a while.

It ends when the Hub closes the socket, and all runners with it. It runs no event loop and has no threads, so that
forking is safe.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import select
import signal
import socket
import sys
import traceback
from typing import Any, NoReturn

from transform_hub.protocol import EXIT_RUNNER_FAILED, Lines, encode
from transform_hub.runner import nodejs
from transform_hub.runner.python import PythonRunner

SPARE_IDLE = 300
"""Seconds without a start after which no Node.js process is kept waiting (it takes some 40 MB)."""


class Zygote:
    """Forks runners on request and tells how they end."""

    def __init__(self, hub: socket.socket) -> None:
        self.hub = hub
        self.lines = Lines()
        self.runners: dict[int, str] = {}
        self.spare: nodejs.NodeProcess | None = None

    def run(self) -> None:
        """Serve until the Hub goes away."""
        # A child's end writes to this pipe, so that one poll waits for children and Hub alike.
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.descriptors = (self.hub.fileno(), wake_read, wake_write)
        poll = select.poll()
        poll.register(self.hub, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll(SPARE_IDLE * 1000 if self.spare else None)}
            if not ready:
                self._drop_spare()
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
                self._reap()
            if self.hub.fileno() in ready:
                data = self.hub.recv(1 << 20)
                if not data:
                    self._end_runners()
                    return
                for spec in self.lines.feed(data):
                    self._launch(spec)

    def _launch(self, spec: dict[str, Any]) -> None:
        try:
            pid = self._start_node(spec) if "node" in spec else self._fork(spec)
        except OSError:  # too many processes, too little memory
            traceback.print_exc()
            self.hub.sendall(encode({"exited": spec["id"], "status": EXIT_RUNNER_FAILED << 8}))
            return
        self.runners[pid] = spec["id"]
        self.hub.sendall(encode({"started": spec["id"], "pid": pid}))

    def _fork(self, spec: dict[str, Any]) -> int:
        pid = os.fork()
        if pid == 0:
            self._become_runner(spec)
        return pid

    def _start_node(self, spec: dict[str, Any]) -> int:
        wanted = spec["node"], spec["link"]
        process, self.spare = self.spare, None
        if process is not None and (process.node, process.link) != wanted:
            process.close()
            process = None
        process = process or nodejs.NodeProcess(*wanted)
        with contextlib.suppress(OSError):  # it has died just now: that will be told as its end
            process.run(spec)
        with contextlib.suppress(OSError):
            self.spare = nodejs.NodeProcess(*wanted)
        return process.pid

    def _drop_spare(self) -> None:
        if self.spare is not None:
            self.spare.close()
            self.spare = None

    def _become_runner(self, spec: dict[str, Any]) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for descriptor in self.descriptors:
                os.close(descriptor)
            self.hub.detach()
            self._drop_spare()
            start_runner(spec)
        except BaseException:  # noqa: BLE001 - a child must never return into the zygote's loop
            traceback.print_exc()
        os._exit(EXIT_RUNNER_FAILED)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):  # none is left
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                # Before its pid is free again: whatever the Sequence has started and left behind goes with it.
                with contextlib.suppress(OSError):
                    os.killpg(ended.si_pid, signal.SIGKILL)
                pid, status = os.waitpid(ended.si_pid, 0)
                if self.spare is not None and self.spare.pid == pid:
                    self._drop_spare()
                if (instance := self.runners.pop(pid, None)) is not None:
                    self.hub.sendall(encode({"exited": instance, "status": status}))

    def _end_runners(self) -> None:
        """The Hub is gone: a runner that is busy would not notice by itself."""
        for pid in self.runners:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    kill(pid, signal.SIGKILL)


def start_runner(spec: dict[str, Any]) -> NoReturn:
    """Make this process the runner of an Instance."""
    os.setsid()  # Ctrl-C in the Hub's terminal is not the Sequence's, and its children can be ended with it
    random.seed()  # scramjet seeds it with a constant when it is imported
    os.environ.update(spec.get("env") or {})
    if "node" in spec:
        nodejs.become(spec)
    PythonRunner(spec).run()


def forget_hub(*kept: int) -> None:
    """Drop what a new interpreter has got from the Hub by accident.

    Args:
        kept: descriptors that it has got on purpose, besides the standard streams.
    """
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]  # `python -m` puts the working directory there: a Sequence must not import from the Hub's
    first = 3
    for descriptor in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):  # uvloop lets its own slip through exec
        os.closerange(first, descriptor)
        first = descriptor + 1


def main() -> None:
    """Entry point: ``python -m transform_hub.runner.zygote <descriptor>``."""
    descriptor = int(sys.argv[1])
    forget_hub(descriptor)
    hub = socket.socket(fileno=descriptor)
    bytes(16 * 1024 * 1024)  # see HEAP_HINT in the Hub; runners inherit it
    gc.collect()
    gc.freeze()  # what is loaded now stays shared with the children
    try:
        Zygote(hub).run()
    except OSError:
        return  # the Hub is gone


if __name__ == "__main__":
    main()
