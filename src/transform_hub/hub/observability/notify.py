"""Notifies systemd (sd_notify): a datagram of ``NAME=value`` lines to ``$NOTIFY_SOCKET``.

READY=1       once everything has started
STOPPING=1    when the Hub begins to end
WATCHDOG=1    twice per ``$WATCHDOG_USEC``, from the event loop: if the loop is stuck, systemd restarts the Hub
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator, Mapping

log = logging.getLogger(__name__)

WATCHDOG = "WATCHDOG=1"

RETRY = 0.05
"""Seconds after which a state is sent again to a manager that is behind with reading."""


class Notifier:
    """Notifies the service manager that has started this process, if one has.

    Args:
        environment: of the process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._interval = _watchdog_interval(environment)
        self._timer: asyncio.TimerHandle | None = None

    def ready(self) -> None:
        self._send("READY=1\nSTATUS=Running")

    def stopping(self) -> None:
        self._send("STOPPING=1\nSTATUS=Stopping")

    @contextlib.contextmanager
    def alive(self) -> Iterator[None]:
        """Send signs of life, for as long as the context lasts."""
        self._beat()
        try:
            yield
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _beat(self) -> None:
        if self._interval is not None:
            self._send(WATCHDOG)
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._beat)

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), self._address)
        except (
            BlockingIOError
        ):  # ten unread datagrams fill a socket; another sign of life follows, a state is sent once
            if message != WATCHDOG:
                asyncio.get_running_loop().call_later(RETRY, self._send, message)
        except OSError as error:
            log.warning("Can't send %s to the service manager: %s", message.partition("\n")[0], error)


def _address(name: str) -> str | None:
    if name.startswith("@"):  # a socket in Linux's abstract namespace
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog_interval(environment: Mapping[str, str]) -> float | None:
    """Seconds between two signs of life; None if nobody expects them from this process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        return int(environment["WATCHDOG_USEC"]) / 2_000_000
    except (KeyError, ValueError):
        return None
