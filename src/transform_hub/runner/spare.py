"""A runner of Python Sequences that is forked ahead and waits for its spec: what every start does is done by then."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any, NoReturn

from transform_hub.protocol import MessageBuffer, encode

DELAY = 0.02
"""Seconds without anything to do after which one is forked: a start that is on its way comes first."""


class SparePython:
    """A process that becomes the runner of the one Instance it is given.

    Args:
        become: called in it, with what waits for the spec.

    Attributes:
        pid: of the process.

    Raises:
        OSError: no process could be started.
    """

    def __init__(self, become: Callable[[Callable[[], dict[str, Any]]], NoReturn]) -> None:
        self._spec, theirs = socket.socketpair()
        with theirs:
            self.pid = os.fork()
            if self.pid == 0:
                self._spec.close()
                become(lambda: _receive(theirs))

    def run(self, spec: dict[str, Any]) -> None:
        """Make it the runner of an Instance.

        Raises:
            OSError: the process is gone.
        """
        self._spec.sendall(encode(spec))
        self.close()

    def close(self) -> None:
        """Let go of it: a process that has no spec yet ends."""
        self._spec.close()


def _receive(sock: socket.socket) -> dict[str, Any]:
    lines = MessageBuffer()
    with sock:
        while data := sock.recv(1 << 20):
            for message in lines.feed(data):
                return message
    os._exit(0)
