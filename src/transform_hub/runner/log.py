"""Standard logging whose entries go to the Instance's log: that of ``context.logger``, and of all other loggers.

The root logger gets no handler for this: ``logging.basicConfig`` would do nothing then. What has passed a logger's
level and filters is written, whatever handlers the Sequence has given to it or has taken away.
"""

from __future__ import annotations

import logging
import socket
import traceback
from typing import Any

from transform_hub.protocol import encode
from transform_hub.runner import origin, serialize

TRACE = 5
logging.addLevelName(TRACE, "TRACE")

_STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_WRITTEN = "_transform_hub_written"


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


def attach(sock: socket.socket) -> logging.Handler:
    """Write the entries of all loggers to the link's log channel.

    Returns:
        What writes them; other libraries for logging may use it as well.
    """
    handler = _LinkHandler(sock)
    LOGGER.setLevel(1)
    LOGGER.addHandler(handler)
    LOGGER.propagate = False
    call_handlers = logging.Logger.callHandlers

    def call_all(self: logging.Logger, record: logging.LogRecord) -> None:
        call_handlers(self, record)
        handler.handle(record)

    logging.Logger.callHandlers = call_all  # type: ignore[method-assign]
    return handler


class _LinkHandler(logging.Handler):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock
        self.setFormatter(_Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        if hasattr(record, _WRITTEN):  # a child of the runner's own logger hands it on
            return
        setattr(record, _WRITTEN, True)
        try:
            message = self.format(record)
            level = "WARN" if record.levelname == "WARNING" else record.levelname
            entry = {"ts": int(record.created * 1000), "level": level, "from": record.name, "msg": message}
            if data := _extra(record):
                entry["data"] = data
            self._sock.sendall(encode(entry))  # handle() holds this handler's lock
        except Exception:  # noqa: BLE001 - logging must never break the Sequence
            self.handleError(record)


class _Formatter(logging.Formatter):
    def formatException(self, ei: Any) -> str:  # noqa: N802 - the standard library's name
        """The traceback without the runner's own frames before those of the Sequence."""
        kind, error, trace = ei
        return "".join(traceback.format_exception(kind, error, origin.of_sequence(trace))).rstrip("\n")


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """What the call has given as ``extra``."""
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD and name != _WRITTEN}
    if isinstance(nested := extra.get("extra"), dict):  # so does loguru
        extra = {**extra, **nested}
        del extra["extra"]
    return {name: _plain(value) for name, value in extra.items()}


def _plain(value: Any) -> Any:
    try:
        return serialize.plain(value)[0]
    except TypeError:
        return repr(value)
