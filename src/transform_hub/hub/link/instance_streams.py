"""The streams of one Instance: what the channels of its runner link are connected to.

They outlive a runner that another follows. Then output, stdout, stderr and log do not end with its connections, and
those of the next are taken only when these have run dry, so that what two runners wrote never mixes. Input and stdin
are the runner's own: a writer learns that it is gone.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import time
from collections.abc import Mapping
from typing import Protocol, cast

import msgspec

from transform_hub.hub.channels.channel import Channel
from transform_hub.hub.link.backing import Backing
from transform_hub.hub.link.control import Control
from transform_hub.hub.link.protocols import ChannelProtocol, LogSource, cut
from transform_hub.hub.link.runner_input import Sink
from transform_hub.hub.topics.progress import Provided, Required
from transform_hub.models import LogEntry
from transform_hub.protocol import CHANNELS, Message

READABLE = ("output", "stdout", "stderr")
LOSSY = ("stdout", "stderr")
WRITABLE = ("input", "stdin")

STALL = 10.0
"""Seconds that a stream is held up by a reader before the log tells of it."""

LINGER = 0.5
"""Seconds of silence, twice, after which a stream of an ended Instance has no more to say."""


class Observer(Protocol):
    """Who runs the runner at the other end."""

    def receive(self, message: Message) -> None:
        """The runner has sent a message."""

    def lose_control(self) -> None:
        """The runner has closed its control channel."""

    def note_change(self) -> None:
        """Input or stdin is about to end."""


class Streams:
    """Output, stdout, stderr and log to read; input and stdin to write; control for the Instance itself.

    Args:
        backing: what they stand on.
        lasting: whether another runner may follow the first.

    Attributes:
        observer: of the runner that is there now; to be set before one dials.
        log: entries of the runner and of the Hub, one line of JSON each.
        output_begin: the position at which the output of the present run begins.
        input, stdin, control: None until the runner has dialled them.
    """

    observer: Observer

    def __init__(self, backing: Backing, *, lasting: bool = False) -> None:
        self.log = Channel(backing.store("log"), history=True)
        self.input: Sink | None = None
        self.stdin: Sink | None = None
        self.control: Control | None = None
        self._backing = backing
        self._readable = {"output": Channel(backing.store("output"))}
        self._readable.update((name, self._lossy_channel(name)) for name in LOSSY)
        self.output_begin = backing.store("output").taken
        self._attached: dict[str, asyncio.Transport] = {}
        self._flowing: set[str] = set()
        self._dry = asyncio.Event()
        self._written = dict.fromkeys(WRITABLE, 0)
        self._stalls: dict[str, asyncio.TimerHandle] = {}
        self._is_resumed = False
        self._lasting = lasting
        self._ended = False

    def _lossy_channel(self, name: str) -> Channel:
        return Channel(
            self._backing.store(name),
            limit=self._backing.unread_limit,
            lossy=True,
            on_dropped=functools.partial(self._note_dropped, name),
        )

    def _note_dropped(self, name: str, size: int) -> None:
        self.note("WARN", f"The oldest {size} bytes of {name} that nobody read were dropped")

    def __getitem__(self, name: str) -> Channel:
        """The channel of ``output``, ``stdout`` or ``stderr``."""
        return self._readable[name]

    @property
    def are_complete(self) -> bool:
        """Whether the runner has dialled all its channels."""
        return len(self._attached) == len(CHANNELS)

    def attach(self, name: str, transport: asyncio.Transport) -> ChannelProtocol | None:
        """Connect what the runner has dialled; None refuses a channel that is there already."""
        if name in self._attached or self._ended:
            return None
        self._attached[name] = transport
        if name == "control":
            control = self.control = Control(
                transport, self._receive, lambda: self._lose_control(control), resumed=self._is_resumed
            )
            return control
        if name in WRITABLE:
            sink = self._backing.sink(name, transport, self._on_sink_end, resumed=self._is_resumed)
            setattr(self, name, sink)
            return sink
        self._flowing.add(name)
        lost = functools.partial(self._on_lost, name)
        if name == "log":
            return LogSource(self._write_log, lost, resumed=self._is_resumed)
        stall = functools.partial(self._on_stall, name)
        return self._backing.source(name)(transport, self._readable[name], lost, stall)

    async def adopt(self, name: str, descriptor: int) -> None:
        """Connect a channel that the runner had dialled to an earlier Hub."""
        sock = socket.socket(fileno=descriptor)
        self._backing.recover(name, sock)
        self._is_resumed = True
        await asyncio.get_running_loop().create_unix_connection(lambda: _Adoption(self, name), sock=sock)
        self._is_resumed = False

    @property
    def descriptors(self) -> dict[str, int]:
        """What has to be held for another Hub: the channels that the runner has dialled, and those of the backing."""
        held = {name: transport.get_extra_info("socket").fileno() for name, transport in self._attached.items()}
        return {**held, **self._backing.descriptors}

    def held(self) -> None:
        """They are held, until another runner follows."""
        self._backing.held(again=self._lasting)

    @property
    def provided(self) -> Provided:
        """Where it is written down how far the output is in a topic."""
        return self._backing.provided

    @property
    def required(self) -> Required:
        """Where it is written down how far the input is in a topic."""
        return self._backing.required

    @property
    def _sinks(self) -> Mapping[str, Sink | None]:
        return {"input": self.input, "stdin": self.stdin}

    @property
    def ended_sinks(self) -> tuple[str, ...]:
        """Which of input and stdin have ended."""
        return tuple(name for name, sink in self._sinks.items() if sink is not None and sink.ended)

    @property
    def traffic(self) -> dict[str, int]:
        """Bytes that each stream has carried."""
        written = {name: self._written[name] + (sink.position if sink else 0) for name, sink in self._sinks.items()}
        return {**written, **{name: channel.written for name, channel in self._readable.items()}}

    def send(self, message: Message) -> None:
        """Send a message to the runner, if it is there."""
        if self.control is not None:
            self.control.send(message)

    def note(self, level: str, message: str) -> None:
        """Write an entry of the Hub into the log."""
        entry = LogEntry(ts=int(time.time() * 1000), level=level, msg=message, from_="Hub")
        self._write_log(msgspec.json.encode(entry) + b"\n")

    def end(self) -> None:
        """The runner has ended: channels that it dialled end when all in them is read, the others now."""
        self._ended = True
        for name, channel in self._readable.items():
            if name not in self._flowing:
                channel.close()
        for name in (*WRITABLE, "control"):
            if (transport := self._attached.get(name)) is not None:
                cut(transport)
        self._backing.end()
        self._end_log()
        self._watch_flowing()

    def detach_run(self) -> None:
        """The runner has ended, and another will follow."""
        self._written.update({name: self.traffic[name] for name in self._written})
        self.input = self.stdin = self.control = None
        for name, transport in self._attached.items():
            if name not in self._channels:
                cut(transport)
        self._watch_flowing()

    async def drained(self) -> None:
        """Wait, after :meth:`detach_run`, until all that the runner has written is taken; then the next may dial."""
        while self._flowing:
            self._dry.clear()
            await self._dry.wait()
        self._attached.clear()
        self.output_begin = self["output"].written

    @property
    def _channels(self) -> dict[str, Channel]:
        return {**self._readable, "log": self.log}

    def _watch_flowing(self) -> None:
        for name in self._flowing:
            asyncio.get_running_loop().call_later(
                LINGER, self._end_when_quiet, self._attached[name], self._channels[name]
            )

    def _end_when_quiet(
        self, transport: asyncio.Transport, channel: Channel, seen: int = -1, *, again: bool = True
    ) -> None:
        """End a stream that a process which the runner left behind keeps open.

        Twice, because after a stall of the event loop timers come before what has arrived meanwhile.
        """
        if transport.is_closing():
            return
        quiet = channel.written == seen and not channel.is_held
        if quiet and not again:
            cut(transport)
        else:
            look = functools.partial(self._end_when_quiet, transport, channel, channel.written, again=not quiet)
            asyncio.get_running_loop().call_later(LINGER, look)

    def discard(self) -> None:
        """Forget what nobody has read; nothing more is taken from what the runner may have left behind."""
        for channel in self._channels.values():
            channel.discard()  # which wakes its source, and so ends what it was held up by
        for transport in self._attached.values():
            cut(transport)
        self._backing.close()

    def _write_log(self, line: bytes) -> None:
        if not self.log.closed:
            self.log.feed(line)

    def _on_lost(self, name: str) -> None:
        self._flowing.discard(name)
        self._dry.set()
        if name != "log" and (self._ended or not self._lasting):
            self._readable[name].close()
        self._end_log()

    def _end_log(self) -> None:
        """End the log behind its last entry, which may be that of what is dropped of stdout or stderr."""
        may_drop = any(name in self._flowing and self[name].readers == 0 for name in LOSSY)
        if self._ended and "log" not in self._flowing and not may_drop:
            self.log.close()

    def _receive(self, message: Message) -> None:
        self.observer.receive(message)

    def _lose_control(self, control: Control) -> None:
        if control is self.control:  # not that of a runner which another follows
            self.observer.lose_control()

    def _on_sink_end(self) -> None:
        self.observer.note_change()

    def _on_stall(self, name: str, stalled: bool) -> None:  # noqa: FBT001 - a source calls it so
        if timer := self._stalls.pop(name, None):
            timer.cancel()
        channel = self._readable[name]
        if stalled and channel.readers == 0 and not channel.is_lossy:
            self.note("WARN", f"{name} is full and nobody reads it: the Sequence waits when it writes more")
        elif stalled:
            self._stalls[name] = asyncio.get_running_loop().call_later(STALL, self._note_stall, name)

    def _note_stall(self, name: str) -> None:
        del self._stalls[name]
        readers = self._readable[name].readers
        words = f"the slowest of its readers ({readers}) takes nothing" if readers else "nobody reads it any more"
        self.note("WARN", f"{name} has been full for {STALL:.0f} s, {words}: the Sequence waits when it writes more")


class _Adoption(asyncio.Protocol):
    """A connection until its channel has it, which is at once."""

    def __init__(self, streams: Streams, name: str) -> None:
        self._streams = streams
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of it
        protocol = self._streams.attach(self._name, connection)
        assert protocol is not None
        connection.set_protocol(cast(asyncio.BaseProtocol, protocol))
