"""The Hub's end of a runner's control channel: messages both ways.

runner -> Hub    lines wait in a queue, and are handled for at most ``TURN`` at a time: a Sequence that emits events
                 without end holds nobody. Nothing more is read meanwhile, which holds the Sequence.
Hub -> runner    lines wait in a queue until the connection takes them. Runners that don't read share one copy of
                 an event that waits for all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections import deque
from collections.abc import Callable

from transform_hub.hub.link.protocols import cut, is_tail
from transform_hub.protocol import MESSAGE_LIMIT, SOCKET_BUFFER, LineBuffer, Message, encode, require_bounded

log = logging.getLogger(__name__)

WIRE_LIMIT = MESSAGE_LIMIT + 64 * 1024
"""Bytes of a message of a runner, which takes what is around an event into account."""

CONTROL_LIMIT = 8 * 1024 * 1024
"""Bytes of messages that wait for a runner which does not read them, before events are refused."""

PIECE = 64 * 1024
"""Bytes that lines are joined up to when they are written."""

TURN = 0.001
"""Seconds that the messages of one runner take of a turn of the event loop, but for the last of them."""


class Control(asyncio.Protocol):
    """Messages both ways.

    Args:
        on_message: called with each message of the runner.
        on_lost: called after the last, when the runner has closed the channel.
        resumed: whether an earlier Hub may have read the beginning of the first line.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        on_message: Callable[[Message], None],
        on_lost: Callable[[], None],
        *,
        resumed: bool = False,
    ) -> None:
        self._transport = transport
        self._on_message = on_message
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        # runner -> Hub
        self._lines = LineBuffer()
        self._may_be_tail = resumed
        self._received: deque[bytes] = deque()
        self._is_lost = False
        self._is_behind = False
        # Hub -> runner
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._is_held_up = False

    # --- Hub -> runner ------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether too much waits for a runner that does not read it."""
        return self._queued + self._transport.get_write_buffer_size() > CONTROL_LIMIT

    def send(self, message: Message) -> None:
        """Send a message, behind those that are queued."""
        self.queue(encode(message))
        self.flush()

    def queue(self, line: bytes) -> None:
        """Add a line to what :meth:`flush` sends, unless the runner is gone."""
        if self._transport.is_closing():
            return
        self._queue.append(line)
        self._queued += len(line)

    def flush(self) -> None:
        """Send what is queued, as soon as the runner reads."""
        while self._queue and not self._is_held_up and not self._transport.is_closing():
            piece = [self._queue.popleft()]
            size = len(piece[0])
            while self._queue and size + len(self._queue[0]) <= PIECE:
                piece.append(self._queue.popleft())
                size += len(piece[-1])
            self._queued -= size
            self._transport.write(b"".join(piece))

    def pause_writing(self) -> None:
        self._is_held_up = True

    def resume_writing(self) -> None:
        self._is_held_up = False
        self.flush()

    # --- runner -> Hub ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        lines = self._lines.lines(data)
        if lines and self._may_be_tail:
            self._may_be_tail = False
            del lines[: is_tail(lines[0])]
        self._received.extend(lines)
        if self._lines.size > WIRE_LIMIT:
            self._refuse(f"a control message is longer than {WIRE_LIMIT} bytes")
        elif not self._is_behind:
            self._handle_some()

    def _handle_some(self) -> None:
        """Handle what has been received for a while, and the rest in the next turns."""
        until = self._loop.time() + TURN
        while self._received:
            line = self._received.popleft()
            try:
                require_bounded(line, WIRE_LIMIT)
                self._on_message(json.loads(line))
            except (ValueError, RecursionError) as error:
                self._refuse(str(error))
            if self._loop.time() > until:
                break
        was_behind, self._is_behind = self._is_behind, bool(self._received)
        if self._is_behind:
            self._loop.call_soon(self._handle_some)
        if self._is_behind and not was_behind and not self._transport.is_closing():
            self._transport.pause_reading()
        elif was_behind and not self._is_behind:
            self._catch_up()

    def _catch_up(self) -> None:
        if self._is_lost:
            self._on_lost()
        elif not self._transport.is_closing():
            self._transport.resume_reading()

    def _refuse(self, why: str) -> None:
        log.warning("A runner sent something that is not a control message, and is cut off: %s", why)
        self._received.clear()
        cut(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:  # a write that fails ends the connection before what the runner said last is read
            self._read_rest()
        self._queue.clear()
        self._is_lost = True
        if not self._is_behind:
            self._on_lost()

    def _read_rest(self) -> None:
        sock = self._transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(sock.fileno())) as same:
            while data := same.recv(SOCKET_BUFFER, socket.MSG_DONTWAIT):
                self.data_received(data)
