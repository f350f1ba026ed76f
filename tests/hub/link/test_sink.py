"""The position of input and stdin is exact, at whatever step a Hub dies."""

import asyncio
import itertools
import os
import socket

import pytest

from transform_hub.hub.channels.channel import ChannelClosedError
from transform_hub.hub.channels.memory import LIMIT
from transform_hub.hub.link.runner_input import Sink, WrongPositionError
from transform_hub.hub.reattach.ring import can_spool
from transform_hub.hub.reattach.splice_pipe import SplicedSink
from transform_hub.hub.reattach.spool import Spool
from until import until

pytestmark = pytest.mark.skipif(not can_spool(), reason="this system can't keep positions")

DATA = bytes(range(256)) * 4096


@pytest.fixture
def spool():
    kept = Spool()
    yield kept
    kept.close()


@pytest.fixture
def sockets():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def arrived(sock):
    sock.setblocking(False)
    data = b""
    while True:
        try:
            data += sock.recv(1 << 20)
        except BlockingIOError:
            return data


def die_at(step, spool, sock):
    """Send as a Hub would that ends before one of its steps; False if it has fewer."""
    steps = itertools.count()

    def dying(do):
        def step_or_death(*args):
            if next(steps) == step:
                os._exit(1)
            return do(*args)

        return step_or_death

    class Dying:
        """Counters that a Hub dies before it writes."""

        def __init__(self, counters):
            self._counters = counters

        def __getitem__(self, place):
            return self._counters[place]

        __setitem__ = dying(lambda self, place, value: self._counters.__setitem__(place, value))

    pid = os.fork()
    if pid == 0:
        pipe = spool.pipes["input"]
        pipe._counters = Dying(pipe._counters)
        os.write, os.splice, os.read = dying(os.write), dying(os.splice), dying(os.read)
        while pipe.position < len(DATA):
            pipe.fill(memoryview(DATA)[pipe.position :])
            if not pipe.move(sock.fileno()):
                pipe.give_up()
                break
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_a_hub_that_dies_at_any_step_has_counted_what_it_has_sent():
    for step in itertools.count():
        spool = Spool()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            spool.pipes["input"].begin()
            spool.pipes["input"].open()
            died = die_at(step, spool, ours)
            after = Spool(earlier={name: os.dup(descriptor) for name, descriptor in spool.descriptors.items()})
            pipe = after.pipes["input"]
            data = arrived(theirs)
            assert pipe.position == len(data), step
            assert after.pipes["stdin"].position == 0
            while pipe.position < len(DATA):
                pipe.fill(memoryview(DATA)[pipe.position :])
                while not pipe.move(ours.fileno()):
                    data += arrived(theirs)
            assert data + arrived(theirs) == DATA, step
            after.close()
            spool.close()
        if not died:
            break
    assert step > 10


@pytest.fixture
async def sink(spool, sockets):
    ours, _ = sockets
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=ours)
    sink = SplicedSink(transport, lambda: None, spool.pipes["input"], resumed=False)
    transport.set_protocol(sink)
    yield sink
    transport.abort()
    await until(lambda: sink.lost)


async def test_who_reads_slowly_holds_up_the_writer_and_gets_all(sink, sockets):
    _, theirs = sockets
    writing = asyncio.ensure_future(sink.writer().write(DATA * 8))
    theirs.setblocking(False)
    data = await asyncio.get_running_loop().sock_recv(theirs, 1000)
    assert not writing.done()
    assert sink.position < len(DATA) * 8
    while len(data) < len(DATA) * 8:
        data += await asyncio.get_running_loop().sock_recv(theirs, 100_000)
    await writing
    assert data == DATA * 8
    assert sink.position == len(data)


async def test_who_goes_on_at_the_position_ends_those_who_were_there(sink, sockets):
    _, theirs = sockets
    first, second = sink.writer(), sink.writer()
    writing = [asyncio.ensure_future(each.write(DATA * 8)) for each in (first, second)]
    await asyncio.sleep(0)
    position = sink.position
    with pytest.raises(WrongPositionError):
        sink.writer(position + 1)
    third = sink.writer(position)
    for each in writing:
        with pytest.raises(ChannelClosedError):
            await each
    with pytest.raises(ChannelClosedError):
        await first.write(b"x")
    with pytest.raises(ChannelClosedError):
        second.end()
    assert sink.position == position
    arrived(theirs)
    await third.write(b"third")
    third.end()
    theirs.setblocking(True)
    assert theirs.recv(100) == b"third"
    assert theirs.recv(100) == b""


async def test_a_reader_that_goes_ends_the_writing(sink, sockets):
    _, theirs = sockets
    writing = asyncio.ensure_future(sink.writer().write(DATA * 8))
    await asyncio.sleep(0)
    assert not writing.done()
    theirs.close()
    with pytest.raises(ChannelClosedError):
        await writing
    with pytest.raises(ChannelClosedError):
        await sink.writer().write(b"x")


async def test_who_goes_on_ends_who_was_there_also_where_nothing_outlives_the_hub(sockets):
    ours, theirs = sockets
    transport, _ = await asyncio.get_running_loop().create_unix_connection(asyncio.Protocol, sock=ours)
    sink = Sink(transport)
    transport.set_protocol(sink)
    writing = asyncio.ensure_future(sink.writer().write(DATA * 8))
    await asyncio.sleep(0)
    assert not writing.done()
    second = sink.writer(len(DATA) * 8)
    with pytest.raises(ChannelClosedError):
        await writing
    writing = asyncio.ensure_future(second.write(b"more"))
    data = b""
    theirs.setblocking(False)
    while len(data) < len(DATA) * 8 + 4:
        data += await asyncio.get_running_loop().sock_recv(theirs, 1 << 20)
    await writing
    assert data == DATA * 8 + b"more"
    transport.abort()
    await until(lambda: sink.lost)


def test_a_spool_of_another_version_is_left_where_it_is():
    channels = {"control": 1, "spool": 2, "input-from": 3}
    assert Spool.of(channels, LIMIT) is None
    assert channels == {"control": 1, "spool": 2, "input-from": 3}
