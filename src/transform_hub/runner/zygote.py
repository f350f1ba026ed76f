"""The zygote: a process that has Python, asyncio and the framework loaded, and forks runners from itself.

A fork takes a few milliseconds, starting an interpreter a hundred. Hub and zygote talk over an inherited socket, one
JSON object per line:

    Hub -> zygote    the spec of an Instance to run (see PythonRunner)
                     {"hold": id, "channels": [names]}           comes with the Hub's ends of these channels
                     {"hold": id, "channels": [names], "more": true}   the same, besides what is held
                     {"release": id}                             all of it was read, or is to be forgotten
                     {"quit": true}                              end now, with all runners
    zygote -> Hub    {"started": id, "pid": pid}
                     {"exited": id, "status": wait status}
                     {"held": id, "pid": pid?, "status": status?, "channels": [names]}   comes with the channels
                     {"held": null}                              that was the last

One spare process per language, started ahead, waits for the spec of the next Instance (see
:mod:`transform_hub.runner.spare`, and :mod:`transform_hub.runner.nodejs`: Node.js can't be forked). The first Sequence
of its language brings it up; it goes when nothing has been started for a while.

When the Hub closes the socket, the zygote ends with all its runners, unless it was told to keep them:

    serving ──socket closed without quit──> waiting ──a Hub connects to the store's socket──> serving
       │ quit                                  │ time is over, or nothing is left to keep
       └──────────────> end <──────────────────┘

The Hub that connects gets everything kept for it, see :mod:`transform_hub.runner.fdstore`.

The zygote runs no event loop and has no threads, so that forking is safe.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from transform_hub.privacy import hide_memory, show_memory
from transform_hub.protocol import EXIT_RUNNER_FAILED, MessageBuffer, encode
from transform_hub.runner import nodejs, orphans
from transform_hub.runner.fdstore import FdStore, Held, close
from transform_hub.runner.process import forget_hub, prepare, start_runner, with_mark
from transform_hub.runner.spare import DELAY, SparePython

SPARE_IDLE = 300
"""Seconds without a start after which spare processes are ended (one of Node.js takes some 40 MB)."""


class Zygote:
    """Forks runners on request and reports how they end.

    Args:
        hub: the socket to the Hub.
        fdstore: holds what is to outlive the Hub; None to end with the Hub.
    """

    def __init__(self, hub: socket.socket, fdstore: FdStore | None = None) -> None:
        self.hub: socket.socket | None = hub
        self.fdstore = fdstore
        self.lines = MessageBuffer()
        self.runners: dict[int, str] = {}
        self.orphans: dict[int, str] = {}
        self.spare: nodejs.NodeProcess | None = None
        self.spare_python: SparePython | None = None
        self._wants_python = False
        self.descriptor_limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._received: list[int] = []

    def run(self) -> None:
        """Serve until the Hub goes away and no other comes."""
        hide_memory()  # a Sequence could take the descriptors of other Instances from it
        _, most = self.descriptor_limits
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # it may hold ten per Instance
        # A child's end writes to this pipe, so that one poll waits for children and Hub alike.
        self.wake_read, self.wake_write = os.pipe()
        os.set_blocking(self.wake_write, False)
        os.set_blocking(self.wake_read, False)
        signal.set_wakeup_fd(self.wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while self.hub is not None or self._is_needed():
            self._turn()
        self._end_runners()

    def _is_needed(self) -> bool:
        if self.fdstore is None or not self.fdstore.time_left:
            return False
        return bool(self.runners) or not self.fdstore.is_empty

    def _turn(self) -> None:
        poll = select.poll()
        poll.register(self.wake_read, select.POLLIN)
        peer = self.fdstore.socket if self.hub is None and self.fdstore is not None else self.hub
        assert peer is not None
        poll.register(peer, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(self._patience())}
        if not ready:
            self._renew_or_drop_spares()
        if self.wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self.wake_read, 4096)
            self._reap()
        if self.hub is None and peer.fileno() in ready:
            self._welcome()
        elif self.hub is not None and peer.fileno() in ready:
            self._receive()

    def _patience(self) -> float | None:
        """Milliseconds until there is something to do unasked."""
        if self.hub is None and self.fdstore is not None:
            return self.fdstore.time_left * 1000 + 1
        if self._wants_python and self.spare_python is None:
            return DELAY * 1000
        return SPARE_IDLE * 1000 if self.spare or self.spare_python else None

    # --- the Hub ------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        assert self.hub is not None
        try:
            data, descriptors, *_ = socket.recv_fds(self.hub, 1 << 20, 64)
        except OSError:  # a reset is also the end
            data, descriptors = b"", []
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._received += descriptors
        if not data:
            self._lose_hub()
        for message in self.lines.feed(data):
            self._obey(message)

    def _obey(self, message: dict[str, Any]) -> None:
        if "hold" in message:
            count = len(message["channels"])
            ours, self._received = self._received[:count], self._received[count:]
            if self.fdstore is None:
                close(ours)
            else:
                hold = self.fdstore.hold_more if message.get("more") else self.fdstore.hold
                hold(message["hold"], Held(message["channels"], ours))
        elif "release" in message:
            if self.fdstore is not None:
                self.fdstore.release(message["release"])
        elif "quit" in message:
            self.fdstore = None
            self._lose_hub()
        else:
            self._launch(message)

    def _lose_hub(self) -> None:
        if self.hub is not None:
            self.hub.close()
        self.hub = None
        self.lines = MessageBuffer()
        close(self._received)
        self._received.clear()
        self._drop_spares()  # they belong to the old Hub's link
        with Path(os.devnull).open("wb") as nowhere:  # this process must not keep the Hub's stderr open
            os.dup2(nowhere.fileno(), 2)
        if self.fdstore is not None:
            self.fdstore.begin_to_wait()

    def _welcome(self) -> None:
        """Hand everything held over to the Hub that has connected."""
        assert self.fdstore is not None
        self.hub, _ = self.fdstore.socket.accept()
        pids = {instance: pid for pid, instance in self.runners.items()}
        for message, descriptors in self.fdstore.messages(pids):
            self._tell(message, descriptors)

    def _tell(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        if self.hub is None:
            return
        data = encode(message)
        with contextlib.suppress(OSError):  # the Hub is gone: noticed once all it has sent is read
            if descriptors:
                data = data[socket.send_fds(self.hub, [data], descriptors) :]
            self.hub.sendall(data)

    # --- runners ------------------------------------------------------------------------------------------

    def _launch(self, spec: dict[str, Any]) -> None:
        if self.fdstore is not None:
            self.fdstore.forget_exit(spec["id"])
        try:
            # Limits hold from the start of a process, so the spare process won't do.
            prepared = "node" in spec and not spec.get("limits")
            pid = self._start_node(spec) if prepared else self._start_forked(spec)
        except OSError:  # too many processes, too little memory
            traceback.print_exc()
            self._ended(spec["id"], EXIT_RUNNER_FAILED << 8)
            return
        self.runners[pid] = spec["id"]
        self._tell({"started": spec["id"], "pid": pid})

    def _start_forked(self, spec: dict[str, Any]) -> int:
        if "node" not in spec:
            self._wants_python = True
            process, self.spare_python = self.spare_python, None
            with contextlib.suppress(OSError):  # it has just died
                if process is not None:
                    process.run(spec)
                    return process.pid
        pid = os.fork()
        if pid == 0:
            self._become_runner(lambda: spec)
        return pid

    def _start_node(self, spec: dict[str, Any]) -> int:
        wanted = spec["node"], spec["link"]
        process, self.spare = self.spare, None
        if process is not None and (process.node, process.link) != wanted:
            process.close()
            process = None
        process = process or nodejs.NodeProcess(*wanted)
        with contextlib.suppress(OSError):  # it has just died, which is reported as its end
            process.run(with_mark(spec))
        with contextlib.suppress(OSError):
            self.spare = nodejs.NodeProcess(*wanted)
        return process.pid

    def _renew_or_drop_spares(self) -> None:
        if self._wants_python and self.spare_python is None:
            try:
                self.spare_python = SparePython(self._become_runner)
            except OSError:  # the next start says so, if it is still true
                self._wants_python = False
        else:
            self._drop_spares()

    def _drop_spares(self) -> None:
        self._wants_python = False
        for spare in (self.spare, self.spare_python):
            if spare is not None:
                spare.close()
        self.spare = self.spare_python = None

    def _become_runner(self, spec: Callable[[], dict[str, Any]]) -> NoReturn:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, self.descriptor_limits)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if self.hub is not None:
                self.hub.close()
            if self.fdstore is not None:
                self.fdstore.drop()
            close([self.wake_read, self.wake_write, *self._received])
            self._drop_spares()
            show_memory()
            prepare()
            start_runner(spec())
        except BaseException:  # noqa: BLE001 - a child must never return into the zygote's loop
            traceback.print_exc()
        os._exit(EXIT_RUNNER_FAILED)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):  # none is left
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                pid = ended.si_pid
                if pid in self.runners:
                    # Before its pid is free again: kill what the Sequence has started and left behind.
                    with contextlib.suppress(OSError):
                        os.killpg(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
                if pid in self._spare_pids():
                    self._drop_spares()
                if (owner := self.orphans.pop(pid, None)) is not None:
                    self._end_orphans(owner)
                if (instance := self.runners.pop(pid, None)) is not None:
                    self._end_orphans(instance)
                    self._ended(instance, status)

    def _ended(self, instance: str, status: int) -> None:
        if self.fdstore is not None:
            self.fdstore.note_exit(instance, status)
        self._tell({"exited": instance, "status": status})

    def _end_orphans(self, instance: str) -> None:
        known = {*self.runners, *self.orphans, *self._spare_pids()}
        self.orphans.update(dict.fromkeys(orphans.end(instance, known=known), instance))

    def _spare_pids(self) -> list[int]:
        return [spare.pid for spare in (self.spare, self.spare_python) if spare is not None]

    def _end_runners(self) -> None:
        """Kill all runners: the Hub is gone, and a busy runner would not notice."""
        for pid in self.runners:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    kill(pid, signal.SIGKILL)
        orphans.end_all()


def main() -> None:
    """Entry point; arguments: ``<descriptor> [<path of the store's socket> <timeout in s>]``."""
    descriptor, *keeping = sys.argv[1:]
    forget_hub(int(descriptor))
    hub = socket.socket(fileno=int(descriptor))
    bytes(16 * 1024 * 1024)  # see HEAP_HINT in the Hub; runners inherit it
    with contextlib.ExitStack() as stack:
        fdstore = None
        if keeping:
            try:
                fdstore = stack.enter_context(contextlib.closing(FdStore(keeping[0], float(keeping[1]))))
            except FileNotFoundError:  # the Hub that made the directory has already ended
                return
        orphans.adopt()
        gc.collect()
        gc.freeze()  # memory of what is loaded now stays shared with the children
        Zygote(hub, fdstore).run()


if __name__ == "__main__":
    main()
