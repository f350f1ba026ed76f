"""The log of ``sth`` on stderr: per entry a line for people, or a JSON object for programs.

    text    2026-11-25 04:44:14.123 INFO  sequences: Sequence 0b9f... was deleted [requestId=8d3c... sequence=0b9f...]
    json    {"ts": "2026-11-25T04:44:14.123Z", "level": "INFO", "from": "sequences", "logger": "transform_hub....",
             "msg": "Sequence 0b9f... was deleted", "requestId": "8d3c...", "sequence": "0b9f..."}

No entry can forge another: both forms escape control characters, and the text form indents exceptions.
"""

from __future__ import annotations

import enum
import json
import logging
import logging.handlers
import sys
from datetime import datetime, timezone

from transform_hub.hub.observability.requests import current_request

_NAMES = {"WARNING": "WARN", "CRITICAL": "FATAL"}
_PACKAGE = "transform_hub"
_WHAT = {"request_id": "requestId", "instance": "instance", "sequence": "sequence"}
"""What an entry may be about: attributes of the record, and their names in the log."""

MAX_HELD = 1000
"""Entries that are held until the form is known."""


class LogFormat(str, enum.Enum):
    """Forms of the log; ``auto`` is text on a terminal, else JSON."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"

    def __str__(self) -> str:
        return self.value


class AboutRequest(logging.Filter):
    """Gives every record the id of the request during which it was written, as ``request_id``."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = current_request()
        if request is not None:
            record.request_id = request.id
        return True


class TextFormatter(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created).astimezone().isoformat(" ", "milliseconds")[:23]
        about = " ".join(f"{name}={what}" for name, what in _about(record).items())
        line = f"{level_of(record):5} {source_of(record)}: {record.getMessage()}"
        lines = [f"{when} {_escaped(line)}{f' [{_escaped(about)}]' if about else ''}"]
        lines += (f"    {_escaped(each)}" for each in _exception(self, record).splitlines())
        return "\n".join(lines)


class JSONFormatter(logging.Formatter):
    """A JSON object in one line of ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        entry = {
            "ts": when.replace("+00:00", "Z"),
            "level": level_of(record),
            "from": source_of(record),
            "logger": record.name,
            "msg": well_formed(record.getMessage()),
            **{name: well_formed(what) for name, what in _about(record).items()},
        }
        if exception := _exception(self, record):
            entry["exception"] = well_formed(exception)
        return json.dumps(entry)


def hold_log() -> None:
    """Hold entries until :func:`write_log` chooses the form; without that they are written at exit."""
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(_formatter(LogFormat.AUTO))
    held = logging.handlers.MemoryHandler(MAX_HELD, flushLevel=logging.CRITICAL + 1, target=console)
    held.addFilter(AboutRequest())
    logging.getLogger().addHandler(held)


def write_log(form: LogFormat) -> None:
    """Write the log to stderr, the held entries first."""
    root = logging.getLogger()
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(_formatter(form))
    console.addFilter(AboutRequest())
    for held in [each for each in root.handlers if isinstance(each, logging.handlers.MemoryHandler)]:
        held.setTarget(console)
        root.removeHandler(held)
        held.close()
    root.addHandler(console)


def level_of(record: logging.LogRecord) -> str:
    """The level in STH's words."""
    if record.levelno < logging.DEBUG:
        return "TRACE"
    return _NAMES.get(record.levelname, record.levelname)


def source_of(record: logging.LogRecord) -> str:
    """The part of the Hub, or the library, that has written an entry."""
    return record.name.rpartition(".")[2] if record.name.startswith(_PACKAGE) else record.name


def well_formed(text: str) -> str:
    r"""A text that UTF-8 can encode: bytes that were not text become ``\udc80`` and so on."""
    return text.encode(errors="backslashreplace").decode()


def _about(record: logging.LogRecord) -> dict[str, str]:
    found = {name: getattr(record, attribute, None) for attribute, name in _WHAT.items()}
    return {name: str(what) for name, what in found.items() if what}


def _exception(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    return record.exc_text or ""


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _formatter(form: LogFormat) -> logging.Formatter:
    is_text = sys.stderr.isatty() if form is LogFormat.AUTO else form is LogFormat.TEXT
    return TextFormatter() if is_text else JSONFormatter()
