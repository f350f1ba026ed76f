"""The runner's end of the link: dials the Hub and runs the control thread.

Control has its own thread, so that a Sequence that blocks the event loop still sends heartbeats and can be killed.
Messages to the Sequence (events, stop) go on to its event loop.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from transform_hub.protocol import EXIT_KILLED, SOCKET_BUFFER, Message, MessageBuffer, encode


def dial(address: str, instance: str, secret: str, channel: str) -> socket.socket:
    """Open one channel to the Hub.

    Args:
        address: ``unix:<path>``.
        instance: the Instance's id.
        secret: the Instance's secret.
        channel: one of :data:`transform_hub.protocol.CHANNELS`.

    Raises:
        OSError: no Hub listens there.
    """
    sock = open_socket()
    try:
        greet(sock, address, instance, secret, channel, pid=os.getpid())
    except OSError:
        sock.close()
        raise
    return sock


def open_socket() -> socket.socket:
    """A socket for a channel, not connected yet."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
    return sock


def greet(sock: socket.socket, address: str, instance: str, secret: str, channel: str, *, pid: int) -> None:
    """Connect a socket to the Hub and say hello: which channel this is, of the runner process ``pid``.

    Raises:
        OSError: no Hub listens there.
    """
    sock.connect(address.removeprefix("unix:"))
    sock.sendall(encode({"instance": instance, "secret": secret, "channel": channel, "pid": pid}))


class Control:
    """The control channel: sends messages from any thread, receives them in its own thread.

    Args:
        sock: the dialled control channel.
        on_message: called in the control thread with each message that Control does not handle itself.
        before_kill: called in the control thread before a kill ends this process.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_message: Callable[[Message], None],
        *,
        before_kill: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._on_message = on_message
        self._before_kill = before_kill
        self._interval = 1.0
        self._due = time.monotonic()
        self._lock = threading.Lock()

    def start(self, beat: Callable[[], Message | None]) -> None:
        """Start the control thread.

        Args:
            beat: called in it for each heartbeat; None is no heartbeat.
        """
        threading.Thread(target=self._run, args=(beat,), name="control", daemon=True).start()

    def send(self, message: Message) -> None:
        """Send one message; ends this process if the Hub is gone."""
        data = encode(message)
        try:
            with self._lock:
                self._sock.sendall(data)
        except OSError:
            leave_no_orphans()

    def _run(self, beat: Callable[[], Message | None]) -> None:
        lines = MessageBuffer()
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        while True:
            wait = self._due - time.monotonic()
            if wait <= 0:
                if (message := beat()) is not None:
                    self.send(message)
                self._due = time.monotonic() + self._interval
            elif poll.poll(wait * 1000):
                for message in lines.feed(self._read()):
                    self._receive(message)

    def _read(self) -> bytes:
        data = b""
        with contextlib.suppress(OSError):  # a reset is also the end
            data = self._sock.recv(65536)
        if not data:
            leave_no_orphans()
        return data

    def _receive(self, message: Message) -> None:
        kind = message["type"]
        if kind == "kill":
            self._before_kill()
            self.send({"type": "exit", "code": EXIT_KILLED})
            os._exit(EXIT_KILLED)
        elif kind == "rate":
            self._interval = 1 / max(message["perSecond"], 0.01)
            self._due = time.monotonic()
        else:
            self._on_message(message)


def leave_no_orphans() -> NoReturn:
    """The Hub is gone: end this process and everything the Sequence started."""
    os.killpg(os.getpgrp(), signal.SIGKILL)
    raise AssertionError("survived SIGKILL")
