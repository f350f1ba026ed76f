"""The link between a Hub and a runner, as both ends know it.

A runner dials its Hub once per channel. Each connection starts with one line of JSON, its *hello*:

    {"instance": "<id>", "secret": "<hex>", "channel": "control", "pid": 123}

The secret belongs to that one Instance, so a runner can't speak for another. After the hello the connection is
the channel itself; closing it (or its one direction) is the end of that stream, and the kernel's socket buffers
carry back-pressure from one end to the other.

    channel   direction       content
    control   both            one JSON object per line; "type" names the message
    stdin     Hub -> runner   bytes; becomes descriptor 0 of the runner process
    stdout    runner -> Hub   bytes; descriptor 1
    stderr    runner -> Hub   bytes; descriptor 2
    input     Hub -> runner   bytes
    output    runner -> Hub   bytes
    log       runner -> Hub   one JSON object per line: {"ts", "level", "from", "msg"}

Messages on control:

    Hub -> runner    start                                      all channels are there: nothing of the Sequence is lost;
                                                                again from a Hub that goes on with it: say once more
                                                                what you are and have declared
                     input    contentType, byItem?              what the first writer of the input sends; by item: each
                                                                stands behind 4 bytes, big-endian, that say how long
                                                                it is, and comes when the runner wants it
                     event    eventName, message, source        of another Instance only if the runner listens
                     stop     timeout (ms), canCallKeepalive
                     kill
                     rate     perSecond                         of health messages
    runner -> Hub    running  provides?, requires?              the Sequence is loaded, run() is about to be called
                     topic    provides? | requires?             found on what run() returned
                     output   contentType                       what the output is declared to be
                     wants    position                          by item: the Sequence asks for another, and is done
                                                                with all before this byte of the input
                     checks   checks                            health checks were set, for the nth time: what was known
                                                                of the health does not count until they have answered
                     health   health: {"healthy": bool, ...},   the latest answer of the checks that were set then,
                              age? (ms), checks?                and how old it is
                     event    eventName, message
                     listens  eventNames                        adds names of events that it has listeners for; null
                                                                means all, as does a runner that has not told any
                     alive    keepAlive (ms)                    calls off the kill that follows a stop
                     exit     code, error?, left?               last message; the process ends right after it; whether
                                                                it has left an item untouched that it was given

A topic is {"topic": name, "contentType": type, "group"?: name}. The standard library alone is imported here: a runner
shares its process with the Sequence and must not bring versions of packages that the Sequence may want itself.
"""

from __future__ import annotations

import json
from typing import Any

CHANNELS = ("control", "stdin", "stdout", "stderr", "input", "output", "log")

MARK = "INSTANCE_ID"
"""Environment variable with the id of the Instance a process belongs to; Sequences may read it too."""

EXIT_OK = 0
EXIT_BAD_ENTRYPOINT = 21
EXIT_FAILED_ON_START = 22
EXIT_FAILED = 23
EXIT_UNCAUGHT = 101
EXIT_KILLED = 137
EXIT_STOPPED = 138
EXIT_RUNNER_FAILED = 213

EXIT_REASONS: dict[int, str] = {
    EXIT_OK: "Instance completed",
    EXIT_BAD_ENTRYPOINT: "Sequence entrypoint path is invalid",
    EXIT_FAILED_ON_START: "Sequence failed on start",
    EXIT_FAILED: "Sequence failed during execution",
    EXIT_UNCAUGHT: "Uncaught exception in the Sequence",
    EXIT_KILLED: "Instance killed",
    EXIT_STOPPED: "Instance stopped",
    EXIT_RUNNER_FAILED: "Runner failed",
}

SOCKET_BUFFER = 1024 * 1024
"""Bytes that a data channel's sockets hold, as far as the system allows: fewer, larger turns of both ends."""

MESSAGE_LIMIT = 4 * 1024 * 1024
"""Bytes that a message, an event for example, or the JSON body of a request may have."""

VALUE_LIMIT = 200_000
"""Values that one of them may have, objects and arrays included: each costs its reader far more time than a byte."""

NAMES_LIMIT = 10_000
"""Names of events that a Hub remembers of a runner; one with more gets all events."""

NAMES_SIZE_LIMIT = 1024 * 1024
"""Characters of these names together."""

Message = dict[str, Any]


def require_bounded(data: bytes, limit: int = MESSAGE_LIMIT) -> None:
    """Refuse JSON that would hold up its reader.

    Raises:
        ValueError: it has more bytes than ``limit``, or more than :data:`VALUE_LIMIT` values.
    """
    if len(data) > limit:
        raise ValueError(f"it has {len(data)} bytes, at most {limit} are taken")
    if _values(data) > VALUE_LIMIT:
        outside_of_text = data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2]
        if _values(b"".join(outside_of_text)) > VALUE_LIMIT:
            raise ValueError(f"it has more than {VALUE_LIMIT} values")


def _values(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{") + data.count(b",")


def listens(names: list[str]) -> Message:
    """The message of a runner that has listeners for events of these names."""
    is_bounded = len(names) <= NAMES_LIMIT and sum(map(len, names)) <= NAMES_SIZE_LIMIT
    return {"type": "listens", "eventNames": names if is_bounded else None}


def encode(message: Message) -> bytes:
    """A message as it stands on the wire: one line of JSON; lone surrogates, which no other end takes, become "?"."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


class LineBuffer:
    """Makes whole lines of a stream of bytes; only a newline ends one, never a carriage return or U+2028.

    It sets no limit: whoever feeds it looks at ``size`` and decides what becomes of a line that is too long.

    Attributes:
        size: bytes of the line that has begun and not ended.
    """

    def __init__(self) -> None:
        self.size = 0
        self._begun: list[bytes] = []

    def block(self, data: bytes) -> bytes:
        """Add bytes; all lines that are whole now, in one piece, ``b""`` if there is none."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._keep(data)
            return b""
        if self._begun:
            lines = b"".join((*self._begun, memoryview(data)[:end]))  # a slice of bytes would be copied twice
            self._begun, self.size = [], 0
        else:
            lines = data[:end]
        if end < len(data):
            self._keep(data[end:])
        return lines

    def lines(self, data: bytes) -> list[bytes]:
        """Add bytes; the lines that are whole now, each with its newline."""
        return [line + b"\n" for line in self.block(data).split(b"\n")[:-1]]

    def flush(self, end: bytes = b"") -> bytes:
        """The line that has begun and not ended, with ``end`` behind it; it is forgotten here."""
        rest = b"".join((*self._begun, end))
        self._begun, self.size = [], 0
        return rest

    def _keep(self, data: bytes) -> None:
        if data:
            self._begun.append(data)
            self.size += len(data)


class MessageBuffer:
    """Makes messages of a stream of bytes, one line of JSON each.

    Args:
        limit: the longest line in bytes; None takes any, from the other end of one's own program.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._lines = LineBuffer()
        self._limit = limit

    def feed(self, data: bytes) -> list[Message]:
        """Add bytes; the messages that are whole now.

        Raises:
            ValueError: a line is no JSON, or more than the limit.
        """
        lines = self._lines.block(data).split(b"\n")
        if self._limit is not None:
            if self._lines.size > self._limit:
                raise ValueError(f"a control message is longer than {self._limit} bytes")
            for line in lines:
                require_bounded(line, self._limit)
        try:
            return [json.loads(line) for line in lines if line]
        except RecursionError:
            raise ValueError("a control message is nested too deeply") from None
