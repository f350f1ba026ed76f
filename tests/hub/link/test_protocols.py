"""The Hub's end of a runner's control channel."""

import asyncio
import itertools
import socket
import time

import pytest

from transform_hub.hub.link.control import PIECE, TURN, Control
from transform_hub.protocol import encode

uvloop = pytest.importorskip("uvloop")


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_failed_write_loses_nothing_that_the_runner_said_before(new_loop):
    said = [{"type": "exit", "code": 23, "error": f"{number}"} for number in range(3000)]

    async def main() -> list:
        hub, runner = socket.socketpair()
        with runner:
            runner.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
            runner.sendall(b"".join(map(encode, said)))
        received, lost = [], asyncio.Event()

        class Connected(asyncio.Protocol):
            def connection_made(self, transport):
                self.control = Control(transport, received.append, lost.set)
                transport.set_protocol(self.control)

        _, protocol = await asyncio.get_running_loop().create_connection(Connected, sock=hub)
        protocol.control.send({"type": "input", "contentType": "text/plain"})
        await asyncio.wait_for(lost.wait(), 60)
        return received

    loop = new_loop()
    try:
        assert loop.run_until_complete(main()) == said
    finally:
        loop.close()


async def test_messages_without_end_leave_turns_of_the_event_loop_to_others():
    hub, runner = socket.socketpair()
    received, lost, turns = [], asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def take(message):
        time.sleep(TURN)  # so that a turn is over with each
        received.append(message["n"])

    class Connected(asyncio.Protocol):
        def connection_made(self, transport):
            transport.set_protocol(Control(transport, take, lost.set))

    with runner:
        runner.sendall(b"".join(encode({"n": number}) for number in range(50)))
    await loop.create_connection(Connected, sock=hub)
    while not lost.is_set():
        turns.append(len(received))
        await asyncio.sleep(0)
    assert received == [*range(50)]
    assert max(after - before for before, after in itertools.pairwise(turns)) == 1


async def test_what_a_runner_does_not_read_waits_in_order_and_as_one_copy():
    hub, runner = socket.socketpair()

    class Connected(asyncio.Protocol):
        def connection_made(self, transport):
            self.control = Control(transport, print, lambda: None)
            self.transport = transport
            transport.set_protocol(self.control)

    _, protocol = await asyncio.get_running_loop().create_connection(Connected, sock=hub)
    control, line = protocol.control, encode({"x": "y" * 1000})
    count = 0
    while not control.is_full:
        control.queue(line)
        control.flush()
        count += 1
    control.send({"last": True})
    assert protocol.transport.get_write_buffer_size() <= 3 * PIECE  # the rest are references
    assert sum(each is line for each in control._queue) > count // 2
    expected = len(line) * count + len(encode({"last": True}))
    reader, writer = await asyncio.open_connection(sock=runner)
    data = await reader.readexactly(expected)
    assert data == line * count + encode({"last": True})
    assert not control.is_full
    writer.close()
    protocol.transport.abort()
