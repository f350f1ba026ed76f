"""What outlives the Hub of one Instance's streams: a ring for each to read, a splice pipe for each to write.

All of it lies in one piece of shared memory (a memfd) and the pipes, which the descriptor store holds as well. A pipe
is made when the first byte is written into it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import mmap
import os
import socket
from collections.abc import Callable

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.channels.memory import LIMIT, UNREAD_LIMIT, MemoryStore
from transform_hub.hub.channels.store import Store
from transform_hub.hub.link.backing import MakeSource
from transform_hub.hub.link.instance_streams import LOSSY, READABLE, WRITABLE
from transform_hub.hub.link.protocols import FeedsChannel, cut
from transform_hub.hub.link.runner_input import Sink
from transform_hub.hub.reattach.ring import CAPACITY, CHUNK, MARGIN, REARM, Ring
from transform_hub.hub.reattach.shared_memory import SharedMemory, make_memory
from transform_hub.hub.reattach.splice_pipe import SplicedSink, SplicePipe, make_pipe
from transform_hub.hub.topics.progress import Provided, Required

RINGS = (*READABLE, "log")
PIPES = {name: f"{name}-pipe" for name in WRITABLE}
MEMORY = "streams"
PIPE_MEMORY = 64
"""Bytes of memory of a splice pipe."""


class Spool:
    """The backing of an Instance's streams that outlives the Hub.

    Args:
        unread_limit: bytes of ``stdout``, and of ``stderr``, that are held; as far as an earlier Hub has made room.
        earlier: descriptors that an earlier Hub has made: those of :attr:`descriptors`.
        hold_more: has descriptors held that are made when the others are held already.

    Attributes:
        descriptors: of the memory, until it is held, and of the pipes of input and stdin, once they are written.
        pipes: of input and stdin.

    Raises:
        OSError: there is no descriptor, or memory, left.
    """

    def __init__(
        self,
        unread_limit: int = UNREAD_LIMIT,
        earlier: dict[str, int] | None = None,
        hold_more: Callable[[dict[str, int]], object] = lambda _: None,
    ) -> None:
        self.descriptors = earlier or {MEMORY: make_memory("streams", _needed(unread_limit))}
        self._hold_more, self._is_held = hold_more, False
        total = os.fstat(self.descriptors[MEMORY]).st_size
        capacity = (total - _size(0)) // len(LOSSY)
        self.unread_limit = min(unread_limit, capacity - MARGIN)
        try:
            self._mapped = SharedMemory(self.descriptors[MEMORY])
        except OSError:
            self._close_descriptors()
            raise
        self._rings: dict[str, Ring] = {}
        memory, begin = self._mapped.view, 0
        for name in RINGS:
            data = begin + mmap.PAGESIZE
            end = data + (capacity if name in LOSSY else CAPACITY)
            self._rings[name] = Ring(memory[begin:end], self._free_from(data))
            begin = end
        places = {name: begin + PIPE_MEMORY * place for place, name in enumerate(WRITABLE)}
        self.pipes = {
            name: SplicePipe(
                memory[place : place + PIPE_MEMORY],
                functools.partial(self._make_pipe, name),
                self.descriptors.get(PIPES[name]),
            )
            for name, place in places.items()
        }
        for pipe in self.pipes.values():
            pipe.recover()
        self.provided = Provided(self._rings["output"].provided)
        self.required = Required(self.pipes["input"].required)

    def _free_from(self, begin: int) -> Callable[[int, int], None]:
        mapped = self._mapped  # not self: an Instance's memory must not wait for the garbage collector
        return lambda offset, size: mapped.free(begin + offset, size)

    def _make_pipe(self, name: str) -> int:
        """The pipe of input or stdin, held for another Hub before anything is in it."""
        pipe = make_pipe()
        try:
            if self._is_held:
                self._hold_more({PIPES[name]: pipe})
        except OSError:
            os.close(pipe)
            raise
        self.descriptors[PIPES[name]] = pipe
        return pipe

    @staticmethod
    def of(
        channels: dict[str, int], unread_limit: int, hold_more: Callable[[dict[str, int]], object] = lambda _: None
    ) -> Spool | None:
        """The spool in what an earlier Hub has left of an Instance, from which it is taken; None if there is none."""
        if MEMORY not in channels:  # there is none, or one of another version, which stays there
            return None
        earlier = {name: channels.pop(name) for name in (MEMORY, *PIPES.values()) if name in channels}
        return Spool(unread_limit, earlier, hold_more)

    def held(self, *, again: bool) -> None:
        self._is_held = True
        if not again:
            os.close(self.descriptors.pop(MEMORY))

    def __getitem__(self, name: str) -> Ring:
        return self._rings[name]

    def store(self, name: str) -> Store:
        return _LogStore(self._rings["log"]) if name == "log" else self._rings[name]

    def source(self, name: str) -> MakeSource:
        return functools.partial(RingSource, ring=self._rings[name])

    def sink(self, name: str, transport: asyncio.Transport, on_end: Callable[[], object], *, resumed: bool) -> Sink:
        return SplicedSink(transport, on_end, self.pipes[name], resumed=resumed)

    def recover(self, name: str, sock: socket.socket) -> None:
        if name in READABLE:
            self._rings[name].recover(sock)

    def end(self) -> None:
        for pipe in self.pipes.values():
            pipe.end()
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        for descriptor in self.descriptors.values():
            os.close(descriptor)
        self.descriptors = {}

    def close(self) -> None:
        """Give the memory back, at once: as part of an Instance it would stay until the garbage is collected."""
        self.end()
        for ring in self._rings.values():
            ring.close()
        for pipe in self.pipes.values():
            pipe.close()
        self._mapped.close()


def _size(capacity: int) -> int:
    """Bytes of the memory whose rings of stdout and stderr have so many."""
    rings = CAPACITY * (len(RINGS) - len(LOSSY)) + capacity * len(LOSSY)
    return rings + mmap.PAGESIZE * (len(RINGS) + 1)


def _needed(unread_limit: int) -> int:
    capacity = max(unread_limit, LIMIT) + MARGIN
    return _size(-(-capacity // mmap.PAGESIZE) * mmap.PAGESIZE)


class _LogStore(MemoryStore):
    """The log of an Instance: in memory, with its latest entries in a ring as well, but for those longer than CHUNK."""

    def __init__(self, ring: Ring) -> None:
        super().__init__(LIMIT)
        position, kept = ring.oldest, b""
        while data := ring.read(position):
            position += len(data)
            kept += data
        if ring.oldest:  # it begins within an entry
            kept = kept.partition(b"\n")[2]
        for line in kept[-LIMIT:].splitlines(keepends=True):
            super().append(line)
        self._ring = ring

    def append(self, data: bytes) -> None:
        if len(data) <= CHUNK:
            with contextlib.suppress(ValueError):  # the memory is given back before the log ends
                self._ring.append(data)
        super().append(data)


class RingSource(FeedsChannel, asyncio.BufferedProtocol):  # no asyncio.Protocol: uvloop would not ask for a buffer
    """Runner -> Hub: what arrives is read right into a ring."""

    def __init__(
        self,
        transport: asyncio.Transport,
        channel: Channel,
        on_lost: Callable[[], None],
        on_stall: Callable[[bool], None],
        *,
        ring: Ring,
    ) -> None:
        super().__init__(transport, channel, on_lost, on_stall)
        self._ring = ring
        self._armed = False

    def get_buffer(self, sizehint: int) -> memoryview:
        if not self._armed or self._ring.counted > REARM:
            self._ring.arm(self._transport.get_extra_info("socket"))
            self._armed = True
        # A transport reads once before it can be paused, for each Hub that takes over: not over what nobody has read.
        return self._ring.room()[:1] if self._channel.is_full else self._ring.room()

    def buffer_updated(self, nbytes: int) -> None:
        if self._channel.closed:
            cut(self._transport)
            return
        self._ring.commit(nbytes)
        self._channel.notify()
        self._pause_if_full()
