"""The Hub's end of a runner's control channel."""

import asyncio
import socket

import pytest

from transform_hub.hub.link.protocols import Control
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
