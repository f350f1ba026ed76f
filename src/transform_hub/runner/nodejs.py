"""Starts Node.js processes that run JavaScript Sequences (``node/main.mjs`` is the program).

Node.js takes some 50 ms to come up, so that one process is started ahead and waits. Its standard streams must be
channels of the link before anybody knows of which Instance: they are sockets not yet connected, of which this
process keeps copies, and is the one that connects them.

    make      sockets ──> fork ──> lead a group, sockets become descriptors 0-2, exec node ──> waits on descriptor 3
    give it a spec        connect the copies, say hello on each, write the spec as a line of JSON
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from transform_hub.protocol import encode
from transform_hub.runner import priority
from transform_hub.runner.limits import node_options
from transform_hub.runner.link import dial, greet, open_socket

STANDARD = ("stdin", "stdout", "stderr")
PROGRAM = Path(__file__).with_name("node") / "main.mjs"


class NodeProcess:
    """A Node.js process that runs the one Instance it is given.

    Args:
        node: the program.
        link: the Hub's address.

    Attributes:
        pid: of the process; it leads a process group of its own.

    Raises:
        OSError: no process could be started.
    """

    def __init__(self, node: str, link: str) -> None:
        self.node, self.link = node, link
        self._standard = [open_socket() for _ in STANDARD]
        self._spec, theirs = socket.socketpair()
        with theirs:
            self.pid = os.fork()
            if self.pid == 0:
                priority.begin_group()
                _exec(node, [sock.fileno() for sock in self._standard], theirs.fileno())

    def run(self, spec: dict[str, Any]) -> None:
        """Make it the runner of an Instance.

        Raises:
            OSError: the process, or the Hub, is gone.
        """
        for channel, sock in zip(STANDARD, self._standard, strict=True):
            greet(sock, spec["link"], spec["id"], spec["secret"], channel, pid=self.pid)
        self._spec.sendall(encode(spec))
        self.close()

    def close(self) -> None:
        """Let go of it: a process that has no spec yet ends."""
        for sock in (*self._standard, self._spec):
            sock.close()


def become(spec: dict[str, Any]) -> NoReturn:
    """Make this process itself the runner of an Instance."""
    standard = [dial(spec["link"], spec["id"], spec["secret"], channel) for channel in STANDARD]
    with _memory_file() as file:  # a pipe would hold only so much before anybody reads it
        file.write(encode(spec))
        file.seek(0)
        options = node_options(spec.get("limits") or {})
        _exec(spec["node"], [sock.fileno() for sock in standard], file.fileno(), options)


def _memory_file() -> IO[bytes]:
    """A file that is on no disk, which secrets must not get to; a temporary one where there is none."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("spec"), "w+b")
    return tempfile.TemporaryFile()


def _exec(node: str, standard: list[int], spec: int, options: Sequence[str] = ()) -> NoReturn:
    try:
        for number, descriptor in enumerate((*standard, spec)):
            os.dup2(descriptor, number)
            os.set_inheritable(number, True)
        for name in (signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):  # Python's own settings would be inherited
            signal.signal(name, signal.SIG_DFL)
        os.execv(node, [node, *options, str(PROGRAM)])  # noqa: S606 - as meant
    finally:
        os._exit(127)
