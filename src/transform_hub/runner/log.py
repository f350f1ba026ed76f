"""``context.logger``: a standard library logger whose entries go to the Instance's log."""

from __future__ import annotations

import logging
import socket

from transform_hub.protocol import encode

TRACE = 5
logging.addLevelName(TRACE, "TRACE")


class _Logger(logging.Logger):
    """Stays enabled: ``logging.config`` disables every logger that the configuration doesn't name."""

    @property
    def disabled(self) -> bool:
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        pass


LOGGER = logging.getLogger("PythonRunner")
LOGGER.__class__ = _Logger


def attach(sock: socket.socket) -> None:
    """Write the entries of the logger to the link's log channel."""
    LOGGER.setLevel(1)
    LOGGER.addHandler(_LinkHandler(sock))
    LOGGER.propagate = False


class _LinkHandler(logging.Handler):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = self.format(record)
            level = "WARN" if record.levelname == "WARNING" else record.levelname
            entry = {"ts": int(record.created * 1000), "level": level, "from": record.name, "msg": message}
            self._sock.sendall(encode(entry))  # handle() holds this handler's lock
        except Exception:  # noqa: BLE001 - logging must never break the Sequence
            self.handleError(record)
