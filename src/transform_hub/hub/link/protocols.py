"""The Hub's ends of a runner's channels: what the event loop calls for each connection, with no task per stream.

    output, stdout, stderr    Source      runner -> Channel
    log                       LogSource   runner -> lines

Those of input and stdin are in :mod:`transform_hub.hub.link.runner_input`, that of control in
:mod:`transform_hub.hub.link.control`. Streams that outlive the Hub have other sources, see
:mod:`transform_hub.hub.link.backing`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Protocol

from transform_hub.hub.channels.channel import Channel, ChannelClosedError
from transform_hub.protocol import LineBuffer, MessageBuffer

LOG_LINE_LIMIT = 16 * 1024 * 1024
"""Bytes of a log entry that are kept until it is complete; a longer one is cut in two."""


class ChannelProtocol(Protocol):
    """What reads, or writes, a channel: an asyncio.Protocol, or a BufferedProtocol that takes bytes as well."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Never called: the connection is there already."""

    def data_received(self, data: bytes) -> None:
        """What came with the hello, or comes later."""

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""


def cut(transport: asyncio.Transport) -> None:
    """End a connection at once, for the runner too."""
    # The descriptor store holds a duplicate descriptor, so close() alone would not reach the runner.
    shut(transport, socket.SHUT_RDWR)
    transport.abort()


def shut(transport: asyncio.Transport, how: int) -> None:
    """End one direction of a connection, or both, for all who hold it."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as same:
            same.shutdown(how)


class FeedsChannel:
    """What sources share: a full Channel stops the reading.

    Args:
        on_lost: called after the last, when all is in the Channel.
        on_stall: called with True when reading stops because the Channel is full, with False when it goes on.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        channel: Channel,
        on_lost: Callable[[], None],
        on_stall: Callable[[bool], None],
    ) -> None:
        self._transport = transport
        self._channel = channel
        self._on_lost = on_lost
        self._on_stall = on_stall

    def data_received(self, data: bytes) -> None:
        try:
            self._channel.feed(data)
        except ChannelClosedError:
            cut(self._transport)
        else:
            self._pause_if_full()

    def _pause_if_full(self) -> None:
        if self._channel.is_full:
            self._transport.pause_reading()
            self._channel.when_room(self._resume)
            self._on_stall(True)

    def _resume(self) -> None:
        self._on_stall(False)
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._on_lost()


class Source(FeedsChannel, asyncio.Protocol):
    """Runner -> Hub: what arrives is fed into a Channel."""


class LogSource(asyncio.Protocol):
    """Runner -> Hub: log entries, handed over line by line; ``on_lost`` is called after the last.

    With ``resumed`` an earlier Hub may have read the start of the first line, whose tail is dropped then.
    Logs are always read, so that a Sequence never waits for somebody to read its log.
    """

    def __init__(self, write: Callable[[bytes], object], on_lost: Callable[[], None], *, resumed: bool = False) -> None:
        self._write = write
        self._may_be_tail = resumed
        self._on_lost = on_lost
        self._lines = LineBuffer()

    def data_received(self, data: bytes) -> None:
        for line in self._lines.lines(data):
            self._hand_on(line)
        if self._lines.size > LOG_LINE_LIMIT:
            self._hand_on(self._lines.flush(b"\n"))

    def _hand_on(self, line: bytes) -> None:
        if not (self._may_be_tail and is_tail(line)):
            self._write(line)
        self._may_be_tail = False

    def connection_lost(self, error: Exception | None) -> None:
        if self._lines.size:
            self._hand_on(self._lines.flush(b"\n"))
        self._on_lost()


def is_tail(line: bytes) -> bool:
    """Whether the start of a line of JSON is missing."""
    try:
        MessageBuffer().feed(line)
    except (ValueError, RecursionError):
        return True
    return False
