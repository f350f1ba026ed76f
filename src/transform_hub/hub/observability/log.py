"""The Hub's log: entries of this package's loggers, as lines of JSON that clients can read."""

from __future__ import annotations

import logging

import msgspec

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.observability.log_format import AboutRequest, level_of, source_of, well_formed
from transform_hub.models import LogEntry

_LEVELS = {
    "fatal": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": 1,
}


class HubLog(logging.Handler):
    """Keeps the latest entries in a Channel.

    Args:
        level: the lowest that is kept, one of ``fatal error warn info debug trace``.
    """

    def __init__(self, level: str) -> None:
        super().__init__(_LEVELS.get(level.lower(), logging.INFO))
        self.channel = Channel(history=True)
        self.addFilter(AboutRequest())

    def open(self) -> None:
        """Begin to collect."""
        logger = logging.getLogger("transform_hub.hub")
        logger.addHandler(self)
        if logger.level == logging.NOTSET or logger.level > self.level:
            logger.setLevel(self.level)

    def close(self) -> None:
        """Stop collecting; readers get the end of the stream."""
        logging.getLogger("transform_hub.hub").removeHandler(self)
        self.channel.close()
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        entry = LogEntry(
            ts=int(record.created * 1000),
            level=level_of(record),
            msg=well_formed(self.format(record)),
            from_=source_of(record),
            request_id=getattr(record, "request_id", msgspec.UNSET),
        )
        if not self.channel.closed:
            self.channel.feed(msgspec.json.encode(entry) + b"\n")
